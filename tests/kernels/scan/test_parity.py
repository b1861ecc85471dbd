"""The fused scan against the reference: outputs, last states and all gradients."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikeformers.kernels.dispatch import watch
from spikeformers.kernels.scan import scan

ARITHMETIC = ("leaky", "leaky_strict", "learned", "per_channel")
TOLERANCE = {torch.float32: 2e-5, torch.float64: 1e-12, torch.bfloat16: 2e-2, torch.float16: 2e-3}


def assert_same(fused: Any, reference: Any, exact: bool, dtype: torch.dtype) -> None:
    """Equal bits for arithmetic-only neurons, else close; gradients close."""
    tolerance = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype], "equal_nan": True}
    pairs = [(fused.y, reference.y), *((fused.last[n], reference.last[n]) for n in reference.last)]
    for a, b in pairs:
        if exact:
            assert torch.equal(a, b)
        else:
            torch.testing.assert_close(a, b, **tolerance)
    assert len(fused.grads) == len(reference.grads)
    for name, (a, b) in enumerate(zip(fused.grads, reference.grads, strict=True)):
        scale = b.abs().max().clamp(min=1.0) if b.numel() else torch.ones(())
        torch.testing.assert_close(a / scale, b / scale, **tolerance, msg=lambda m, n=name: f"gradient {n}: {m}")


@pytest.mark.parametrize(
    ("name", "dtype", "state"),
    [
        ("leaky", torch.float32, "initial"),
        ("leaky", torch.float32, "given"),
        ("leaky", torch.float64, "initial"),
        ("leaky", torch.bfloat16, "given"),
        ("leaky", torch.float16, "given"),
        ("leaky_strict", torch.float32, "initial"),
        ("learned", torch.float32, "given"),
        ("per_channel", torch.bfloat16, "initial"),
        ("adaptive", torch.float32, "given"),
        ("adaptive", torch.float64, "initial"),
        ("smooth", torch.float32, "given"),
    ],
    ids=lambda v: str(v).removeprefix("torch."),
)
def test_fused_equals_reference(case: Any, run: Any, name: str, dtype: torch.dtype, state: str) -> None:
    neuron, x = case(name), (1.5 * torch.randn(6, 2, 3, 37)).to(dtype)
    given_state = {n: torch.rand(2, 3, 37) for n in neuron.definition.states} if state == "given" else None
    keep = state == "given" or dtype == torch.float32
    fused, reference = (run(neuron, x, backend, given_state, keep) for backend in ("cpu", "reference"))
    assert_same(fused, reference, exact=name in ARITHMETIC, dtype=dtype)
    assert fused.y.std() > 0


@pytest.mark.parametrize("steps", [1, 2, 5, 64, 2000])
@pytest.mark.parametrize("count", [1, 131])
def test_any_number_of_steps_and_neurons(case: Any, run: Any, steps: int, count: int) -> None:
    neuron, x = case("leaky"), 2 * torch.randn(steps, count)
    assert_same(run(neuron, x, "cpu"), run(neuron, x, "reference"), exact=True, dtype=torch.float32)


def test_many_neurons_on_several_threads_give_the_bits_of_one(case: Any, run: Any) -> None:
    neuron, x = case("leaky"), 2 * torch.randn(3, 70_001)
    torch.set_num_threads(2)
    many = run(neuron, x, "cpu")
    torch.set_num_threads(1)
    one = run(neuron, x, "cpu")
    assert torch.equal(many.y, one.y)
    assert torch.equal(many.grads[0], one.grads[0])
    assert_same(one, run(neuron, x, "reference"), exact=True, dtype=torch.float32)


def test_scalar_parameters_sum_over_all_shares(case: Any, run: Any) -> None:
    torch.set_num_threads(2)
    neuron, x = case("learned"), 2 * torch.randn(3, 70_001)
    assert_same(run(neuron, x, "cpu"), run(neuron, x, "reference"), exact=True, dtype=torch.float32)


def test_an_empty_batch_gives_empty_outputs_and_zero_gradients(case: Any, run: Any) -> None:
    found = run(case("learned"), torch.randn(3, 0, 3, 4), "cpu")
    assert found.y.shape == (3, 0, 3, 4)
    assert found.last["v"].shape == (0, 3, 4)
    assert [g.abs().sum().item() for g in found.grads] == [0, 0, 0, 0]


def layouts() -> dict[str, Callable[[], Tensor]]:
    """Inputs [T, ...] in memory orders that occur."""
    base = 2 * torch.randn(4, 3, 6, 5)
    return {
        "channels_last": lambda: base.to(memory_format=torch.channels_last),
        "steps innermost": lambda: base.permute(3, 1, 2, 0).contiguous().permute(3, 1, 2, 0),
        "every other step": lambda: torch.cat([base, base])[::2],
        "a slice": lambda: base[:, :, 1:4, ::2],
        "expanded over steps": lambda: base[:1].expand(4, 3, 6, 5),
        "expanded over neurons": lambda: base[:, :1].expand(4, 3, 6, 5),
        "one step": lambda: base[2:3],
        "batch and steps swapped": lambda: base.transpose(0, 1),
    }


@pytest.mark.parametrize("name", layouts())
def test_any_memory_layout(case: Any, run: Any, name: str) -> None:
    neuron, x = case("leaky"), layouts()[name]()
    fused, reference = run(neuron, x, "cpu"), run(neuron, x.contiguous(), "reference")
    assert_same(fused, reference, exact=True, dtype=torch.float32)
    assert fused.y.stride() == torch.empty_like(x).stride()


def test_states_parameters_and_incoming_gradients_may_have_other_layouts_than_x(case: Any, run: Any) -> None:
    neuron = case("per_channel")
    x = torch.randn(4, 2, 3, 5).transpose(2, 3).contiguous().transpose(2, 3)
    state = {"v": torch.rand(5, 3, 2).permute(2, 1, 0)}
    assert_same(run(neuron, x, "cpu", state), run(neuron, x, "reference", state), exact=True, dtype=torch.float32)
    x.requires_grad_()
    scan(neuron.definition, x, None, neuron.params, keep=False, backend="cpu")[0].sum().backward()
    assert torch.isfinite(x.grad).all()


number = st.floats(-4, 4, width=32)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tau=number, threshold=number, reset=number, steps=st.integers(1, 9), count=st.integers(1, 40), scale=number)
def test_any_parameter_values(
    case: Any, run: Any, tau: float, threshold: float, reset: float, steps: int, count: int, scale: float
) -> None:
    neuron = case("learned")
    neuron.params = {n: torch.tensor(v) for n, v in (("tau", tau), ("threshold", threshold), ("reset", reset))}
    x = scale * torch.randn(steps, count)
    assert_same(run(neuron, x, "cpu"), run(neuron, x, "reference"), exact=True, dtype=torch.float32)


@pytest.mark.parametrize(("name", "fires"), [("leaky", 1.0), ("leaky_strict", 0.0)])
@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_a_potential_exactly_at_threshold(case: Any, name: str, fires: float, backend: str) -> None:
    definition, state = case(name).definition, {"v": torch.tensor([1.0])}
    x = torch.tensor([[0.9 if name == "leaky" else 0.25]])
    if name == "leaky":
        x = torch.tensor([[1.0 + (1.0 - 0.1)]], dtype=torch.float64) - 1.0  # h = v + (x − (v − 0.1)) / 3 = v = 1
        state = {"v": torch.tensor([1.0], dtype=torch.float64)}
    assert scan(definition, x, state, {}, backend=backend)[0].item() == fires


@pytest.mark.parametrize(
    ("name", "dtype"),
    [("leaky", torch.float32), ("leaky_strict", torch.float32), ("adaptive", torch.float32), ("leaky", torch.bfloat16)],
    ids=lambda v: str(v).removeprefix("torch."),
)
def test_nan_and_infinity_come_out_as_in_the_reference(case: Any, run: Any, name: str, dtype: torch.dtype) -> None:
    x = torch.randn(5, 24).to(dtype)
    x[1, 3], x[2, 7], x[0, 11], x[4, 2] = torch.nan, torch.inf, -torch.inf, torch.nan
    neuron = case(name)
    fused, reference = (run(neuron, x, backend) for backend in ("cpu", "reference"))
    torch.testing.assert_close(fused.y, reference.y, rtol=0, atol=0, equal_nan=True)
    assert fused.y[1:, 3].isnan().all()
    assert fused.y[4, 2].isnan()
    assert torch.equal(fused.grads[0].isnan(), reference.grads[0].isnan())


def test_gradients_of_a_smooth_neuron_are_those_of_finite_differences(case: Any) -> None:
    neuron = case("smooth")

    def go(x: Tensor, v: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        y, last = scan(neuron.definition, x, {"v": v}, {"w": w}, backend="cpu")
        return y, last["v"]

    double = {"dtype": torch.float64, "requires_grad": True}
    assert torch.autograd.gradcheck(
        go, (torch.randn(4, 3, **double), torch.randn(3, **double), torch.tensor(0.4, **double))
    )


def test_a_sequence_in_chunks_equals_the_whole(case: Any) -> None:
    definition, x = case("leaky").definition, 2 * torch.randn(9, 50)
    whole, last = scan(definition, x, None, {}, backend="cpu")
    first, state = scan(definition, x[:4], None, {}, backend="cpu")
    second, state = scan(definition, x[4:], state, {}, backend="cpu")
    assert torch.equal(torch.cat([first, second]), whole)
    assert torch.equal(state["v"], last["v"])


@pytest.mark.parametrize("name", ["leaky", "learned"])
def test_without_gradient_across_steps(case: Any, run: Any, name: str) -> None:
    neuron = case(name)
    full = run(neuron, torch.ones(6, 1, 3, 5) * 0.7, "cpu", keep=False)
    neuron.definition = replace(neuron.definition, detach_state=True)
    x = 2 * torch.randn(6, 1, 3, 5)
    assert_same(run(neuron, x, "cpu"), run(neuron, x, "reference"), exact=True, dtype=torch.float32)
    cut = run(neuron, torch.ones(6, 1, 3, 5) * 0.7, "cpu", keep=False)
    assert torch.equal(cut.y, full.y)
    assert not torch.allclose(cut.grads[0], full.grads[0])


def test_only_the_input_is_saved_for_backward(case: Any) -> None:
    saved: list[Tensor] = []

    def note(x: Tensor) -> Tensor:
        saved.append(x)
        return x

    x = torch.randn(8, 500, requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(note, lambda kept: kept):
        scan(case("leaky").definition, x, None, {}, keep=False, backend="cpu")
    assert [s.data_ptr() for s in saved] == [x.data_ptr()]


def test_autocast_keeps_the_fused_path(case: Any) -> None:
    linear, x = torch.nn.Linear(6, 6), torch.randn(4, 2, 6)
    with watch() as seen, torch.autocast("cpu", torch.bfloat16):
        h = linear(x)
        y, _ = scan(case("leaky").definition, h, None, {}, keep=False)
        y.float().sum().backward()
    assert (h.dtype, y.dtype) == (torch.bfloat16, torch.bfloat16)
    assert seen == ["scan:cpu", "scan_backward:cpu"]
    assert linear.weight.grad is not None

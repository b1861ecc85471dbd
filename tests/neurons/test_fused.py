"""Every neuron given by equations, on the fused CPU kernel and on the reference.

Compiling some thirty kernels takes minutes the first time; afterwards they come from the cache on disk.
"""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from spikeformers.kernels.dispatch import watch
from spikeformers.kernels.scan import scan
from spikeformers.neurons import NEURONS, Neuron, ScanConfig

pytestmark = pytest.mark.slow
FAMILIES = [name for name in NEURONS.families() if isinstance(NEURONS.config(name), ScanConfig)]


def result(name: str, backend: str, x: Tensor) -> list[Tensor]:
    """Output, and gradients of the input and of the parameters."""
    module = NEURONS.config(name).build(channels=3)
    assert isinstance(module, Neuron)
    module.backend = backend
    x = x.clone().requires_grad_()
    with watch() as seen:
        y = module(x)
        if y.requires_grad:  # the first output of a neuron that fires by its old state depends on nothing
            y.backward(torch.linspace(-1, 1, y.numel()).reshape(y.shape).to(y.dtype))
    assert f"scan:{backend}" in seen
    return [y.detach(), *(torch.zeros_like(p) if p.grad is None else p.grad for p in (x, *module.parameters()))]


def from_state(config: ScanConfig, backend: str, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """Outputs and last states from drawn initial ones, and the gradients of input, initial states and parameters."""
    wide = torch.float64 if x.dtype == torch.float64 else torch.float32
    generator = torch.Generator().manual_seed(1)
    x = x.clone().requires_grad_()
    state = {
        name: (value + 0.1 * torch.rand(x.shape[1:], generator=generator, dtype=wide)).requires_grad_()
        for name, value in config.states().items()
    }
    params = {name: torch.tensor(v, dtype=wide, requires_grad=True) for name, v in config.parameters().items()}
    y, last = scan(config.definition(), x, state, params, backend=backend)
    loss = (y.double() * torch.linspace(-1, 1, y.numel()).reshape(y.shape)).sum()
    loss = loss + sum(value.double().sum() for value in last.values())
    gradients = torch.autograd.grad(loss, [x, *state.values(), *params.values()], materialize_grads=True)
    return [y.detach(), *(value.detach() for value in last.values())], list(gradients)


def assert_gradients(found: list[Tensor], expected: list[Tensor], tolerance: float) -> None:
    """Equal up to a part of the largest."""
    for a, b in zip(found, expected, strict=True):
        scale = b.abs().max().clamp(min=1.0) if b.numel() else torch.ones(())
        torch.testing.assert_close(a / scale, b / scale, rtol=tolerance, atol=tolerance, equal_nan=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_fused_equals_reference(name: str) -> None:
    torch.manual_seed(0)
    x = 2.0 * torch.randn(6, 2, 3, 5)
    (y, *grads), (expected, *wanted) = result(name, "cpu", x), result(name, "reference", x)
    assert torch.equal(y, expected)
    torch.testing.assert_close(grads, wanted, rtol=1e-4, atol=1e-5)
    half = x.half()
    (y, *grads), (expected, *wanted) = result(name, "cpu", half), result(name, "reference", half)
    assert torch.equal(y, expected)
    assert_gradients(grads, wanted, 2e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_one_step_one_neuron_no_neuron_and_strides(name: str) -> None:
    torch.manual_seed(0)
    x = 2.0 * torch.randn(5, 3, 3, 4)
    for part in (x[:1, :1, :, :1], x[:, :0], x[:, :, :, ::3], x.transpose(1, 2)):
        (y, *grads), (expected, *wanted) = result(name, "cpu", part), result(name, "reference", part)
        assert torch.equal(y, expected)
        assert_gradients(grads, wanted, 1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_broken_input_shows_where_it_does_in_the_reference(name: str) -> None:
    torch.manual_seed(0)
    x = torch.randn(5, 1, 3, 8)
    x[1, 0, 0, 3], x[2, 0, 1, 5], x[0, 0, 2, 1] = torch.nan, torch.inf, -torch.inf
    y, expected = result(name, "cpu", x)[0], result(name, "reference", x)[0]
    assert y[1, 0, 0, 3].isnan() or not expected[1, 0, 0, 3].isnan()
    torch.testing.assert_close(y, expected, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(
    ("name", "dtype"),
    [
        ("glif", torch.float64),
        ("clif", torch.float64),
        ("learned_width_lif", torch.float64),
        ("clif", torch.bfloat16),
        ("mpr", torch.bfloat16),
        ("eif", torch.float32),
    ],
    ids=lambda v: str(v).removeprefix("torch."),
)
def test_given_states_and_other_widths(name: str, dtype: torch.dtype) -> None:
    config = NEURONS.config(name)
    assert isinstance(config, ScanConfig)
    torch.manual_seed(0)
    x = (2.0 * torch.randn(6, 2, 3, 5)).to(dtype)
    (y, *last), grads = from_state(config, "cpu", x)
    (expected, *wanted), wanted_grads = from_state(config, "reference", x)
    tolerance = 1e-11 if dtype == torch.float64 else 1e-5
    assert torch.equal(y, expected)
    torch.testing.assert_close(last, wanted, rtol=tolerance, atol=tolerance)
    assert_gradients(grads, wanted_grads, 2e-2 if dtype == torch.bfloat16 else 10 * tolerance)


@pytest.mark.parametrize("name", ["lif", "alif", "cuba_lif"])
def test_two_thousand_steps(name: str) -> None:
    torch.manual_seed(0)
    x = 2.0 * torch.randn(2000, 1, 3, 1)
    (y, *grads), (expected, *wanted) = result(name, "cpu", x), result(name, "reference", x)
    assert torch.equal(y, expected)
    assert_gradients(grads, wanted, 1e-4)


@settings(max_examples=40, deadline=None)
@given(
    tau=st.integers(1, 40).filter(lambda k: k % 7),
    threshold=st.integers(1, 30).filter(lambda k: k % 11),
    rest=st.integers(1, 12),
    scale=st.floats(0.125, 4, width=32),
    steps=st.integers(1, 12),
    count=st.integers(0, 40),
)
def test_any_constants(tau: int, threshold: int, rest: int, scale: float, steps: int, count: int) -> None:
    # ratios that are no powers of two: all these neurons run one compiled kernel
    config = NEURONS.config("lif").but(tau=1 + tau / 7, v_threshold=threshold / 11, v_reset=-rest / 13)
    assert isinstance(config, ScanConfig)
    x = scale * torch.randn(steps, count)
    outputs = []
    for backend in ("cpu", "reference"):
        leaf = x.clone().requires_grad_()
        y, _ = scan(config.definition(), leaf, None, {}, keep=False, backend=backend)
        outputs.append((y.detach(), torch.autograd.grad(y.sum(), leaf)[0]))
    assert torch.equal(outputs[0][0], outputs[1][0])
    assert_gradients([outputs[0][1]], [outputs[1][1]], 1e-5)

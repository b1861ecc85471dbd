"""A scan under the transforms of `torch.func`: numbers are those of plain autograd, sample by sample."""

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.autograd import forward_ad

from spikeformers.core.errors import BackendError
from spikeformers.kernels import dispatch
from spikeformers.kernels.scan import scan

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own forward mode

SAMPLES = 3
AXES: tuple[tuple[int | None, ...], ...] = ((1, 0, 0), (1, None, None), (None, 0, None), (None, None, 0), (-1, -1, -1))
"""Where x, the states and the parameters are mapped."""


def inputs(neuron: Any) -> list[Tensor]:
    """x, the states and the parameters."""
    return [2 * torch.randn(4, 3, 5), *(torch.rand(3, 5) for _ in neuron.definition.states), *neuron.params.values()]


def loss(neuron: Any, backend: str, x: Tensor, *rest: Tensor) -> Tensor:
    """A number that everything goes into and that everything that comes out is part of."""
    states = dict(zip(neuron.definition.states, rest, strict=False))
    params = dict(zip(neuron.params, rest[len(states) :], strict=True))
    y, last = scan(neuron.definition, x, states, params, backend=backend)
    weights = torch.linspace(-1, 2, y.numel()).reshape(y.shape)
    return (y * weights).sum() + sum((0.7 * value.square()).sum() for value in last.values())


@pytest.mark.parametrize("backend", ["reference", "cpu"])
@pytest.mark.parametrize("name", ["learned", "per_channel"])
def test_gradients_of_samples_are_those_of_each_alone(case: Any, name: str, backend: str) -> None:
    neuron = case(name)
    given, states = inputs(neuron), len(neuron.definition.states)
    everything = tuple(range(len(given)))
    for of_x, of_states, of_params in AXES:
        axes = (of_x, *[of_states] * states, *[of_params] * len(neuron.params))
        samples = [
            [value if axis is None else factor * value + 0.1 for value, axis in zip(given, axes, strict=True)]
            for factor in torch.linspace(0.9, 1.2, SAMPLES)
        ]
        mapped = [
            values[0] if axis is None else torch.stack(values, axis)
            for values, axis in zip(zip(*samples, strict=True), axes, strict=True)
        ]
        slopes = torch.func.vmap(torch.func.grad(partial(loss, neuron, backend), everything), in_dims=axes)(*mapped)
        for i, sample in enumerate(samples):
            leaves = [value.clone().requires_grad_() for value in sample]
            expected = torch.autograd.grad(loss(neuron, "cpu", *leaves), leaves)
            torch.testing.assert_close(tuple(slope[i] for slope in slopes), expected, rtol=1e-4, atol=1e-5)


def test_the_fused_kernel_runs_once_for_all_samples(case: Any) -> None:
    neuron = case("learned")
    x, *rest = inputs(neuron)
    x = torch.stack([x, 2 * x])
    with dispatch.watch() as seen:
        torch.func.vmap(torch.func.grad(partial(loss, neuron, "cpu")), in_dims=(0, *[None] * len(rest)))(x, *rest)
    assert seen == ["scan:cpu", "scan_backward:cpu"]


def test_maps_nest(case: Any) -> None:
    neuron, x = case("per_channel"), torch.randn(4, 2, 3, 5, 3)

    def outputs(x: Tensor) -> Tensor:
        return scan(neuron.definition, x, None, neuron.params, keep=False, backend="cpu")[0]

    expected = torch.stack([torch.stack([outputs(x[:, i, ..., j]) for j in range(3)], -1) for i in range(2)], 1)
    assert torch.equal(torch.func.vmap(torch.func.vmap(outputs, -1, -1), 1, 1)(x), expected)


@pytest.mark.parametrize("name", ["learned", "adaptive"])
def test_forward_mode_agrees_with_backward(case: Any, name: str) -> None:
    neuron = case(name)
    given = inputs(neuron)
    directions = [torch.randn_like(value) for value in given]
    with dispatch.watch() as seen:
        value, tangent = torch.func.jvp(partial(loss, neuron, "auto"), tuple(given), tuple(directions))
    assert seen == ["scan:reference"]
    fused, back = torch.func.vjp(partial(loss, neuron, "cpu"), *given)
    slopes = back(torch.tensor(1.0))
    torch.testing.assert_close(value, fused, rtol=1e-4, atol=1e-4)
    pulled = sum((g * d).sum() for g, d in zip(slopes, directions, strict=True))
    torch.testing.assert_close(tangent, pulled, rtol=1e-4, atol=1e-4)


def test_a_tangent_is_never_lost_in_a_fused_kernel(case: Any) -> None:
    neuron, x = case("leaky"), torch.randn(4, 3)

    def outputs(x: Tensor) -> Tensor:
        return scan(neuron.definition, x, None, {}, keep=False, backend="cpu")[0]

    y, back = torch.func.vjp(outputs, x)
    leaf = x.clone().requires_grad_()
    graph = outputs(leaf)
    refused = "no forward mode.*'reference'"
    for forward in (lambda: torch.func.jvp(outputs, (x,), (x,)), lambda: torch.func.jacfwd(outputs)(x)):
        with pytest.raises(BackendError, match=refused):
            forward()
    with pytest.raises(BackendError, match=refused):
        torch.func.jvp(back, (y,), (x,))
    with forward_ad.dual_level():
        with pytest.raises(BackendError, match=refused):
            outputs(forward_ad.make_dual(x, x))
        with pytest.raises(BackendError, match=refused):
            torch.autograd.grad(graph, leaf, forward_ad.make_dual(x, x), retain_graph=True)
        assert torch.equal(torch.autograd.grad(graph, leaf, y)[0], back(y)[0])


def test_a_second_derivative_is_refused_by_torch_func_too(case: Any) -> None:
    neuron = case("leaky")
    slope = torch.func.grad(lambda x: scan(neuron.definition, x, None, {}, keep=False, backend="cpu")[0].sum())
    with pytest.raises(BackendError, match="no second derivative"):
        torch.func.jacrev(slope)(torch.randn(4, 3))


def test_a_compiled_gradient_runs_the_fused_kernel_eagerly(case: Any) -> None:
    neuron, x = case("leaky"), 2 * torch.randn(4, 3)

    def slope(x: Tensor) -> Tensor:
        return torch.func.grad(lambda x: scan(neuron.definition, x, None, {}, keep=False, backend="cpu")[0].sum())(x)

    assert torch.equal(torch.compile(slope, backend="aot_eager")(x), slope(x))

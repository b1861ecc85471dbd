"""Layers and models under `torch.func`, as people use it: gradients of samples, of ensembles, Jacobians."""

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, jacfwd, jacrev, jvp, vjp, vmap

from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.neurons import NEURONS

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")  # torch's own forward mode

FUSED = ("lif", "plif", "multispike")
RUNS = [*((name, backend) for name in FUSED for backend in ("reference", "cpu")), ("egru", "auto"), ("hoyer", "auto")]
PARAMETERS = dict[str, Tensor]


def small(name: str, backend: str) -> nn.Sequential:
    """Two linear layers around a neuron: [T, B, 4] → [T, B, 3]."""
    neuron = NEURONS.config(name).build(channels=5, axis=-1)
    if backend != "auto":
        neuron.backend = backend
    return nn.Sequential(nn.Linear(4, 5), neuron, nn.Linear(5, 3)).eval()


def plain(model: nn.Module, y: Tensor) -> PARAMETERS:
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(y, parameters, retain_graph=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def detached(model: nn.Module) -> PARAMETERS:
    return {name: value.detach() for name, value in model.named_parameters()}


@pytest.mark.parametrize(("name", "backend"), RUNS)
def test_gradients_are_those_of_autograd(name: str, backend: str) -> None:
    model, x = small(name, backend), 3 * torch.randn(4, 6, 4)
    parameters = detached(model)

    def loss(parameters: PARAMETERS, x: Tensor) -> Tensor:
        return functional_call(model, parameters, (x,)).mean(0).square().sum()

    def readout(parameters: PARAMETERS) -> Tensor:
        return functional_call(model, parameters, (x,)).mean(0)[0]

    close = {"rtol": 1e-4, "atol": 1e-5}
    whole = plain(model, model(x).mean(0).square().sum())
    torch.testing.assert_close(grad(loss)(parameters, x), whole, **close)
    torch.testing.assert_close(vjp(lambda p: loss(p, x), parameters)[1](torch.tensor(1.0))[0], whole, **close)
    samples = vmap(grad(loss), in_dims=(None, 1))(parameters, x.unsqueeze(2))
    rows = jacrev(readout)(parameters)
    for b in range(6):
        one = plain(model, model(x[:, b : b + 1]).mean(0).square().sum())
        torch.testing.assert_close({n: g[b] for n, g in samples.items()}, one, **close)
    for i, value in enumerate(model(x).mean(0)[0]):
        torch.testing.assert_close({n: g[i] for n, g in rows.items()}, plain(model, value), **close)


@pytest.mark.parametrize(("name", "backend"), RUNS)
def test_an_ensemble_is_one_call(name: str, backend: str) -> None:
    models, x = [small(name, backend) for _ in range(2)], 3 * torch.randn(4, 6, 4)
    parameters, _ = torch.func.stack_module_state(models)

    def loss(parameters: PARAMETERS) -> Tensor:
        return functional_call(models[0], parameters, (x,)).mean(0).square().sum()

    found = vmap(grad(loss))({name: value.detach() for name, value in parameters.items()})
    for i, model in enumerate(models):
        one = plain(model, model(x).mean(0).square().sum())
        torch.testing.assert_close({n: g[i] for n, g in found.items()}, one, rtol=1e-4, atol=1e-5)


def test_a_tangent_through_one_spike_is_the_surrogate_derivative() -> None:
    config = NEURONS.config("lif")
    x, v = torch.linspace(-2, 4, 9).view(1, 9), torch.linspace(1, 2, 9).view(1, 9)
    y, tangent = jvp(config.build(), (x,), (v,))
    u = x / config.tau - config.v_threshold if config.decay_input else x - config.v_threshold
    gain = 1.0 / config.tau if config.decay_input else 1.0
    assert torch.equal(y, (u >= 0).float())
    torch.testing.assert_close(tangent, gain * v * config.surrogate.derivative(TorchOps(), u))


@pytest.mark.parametrize("name", ["lif", "plif", "multispike", "egru", "hoyer"])
def test_jacobians_forward_and_backward_agree(name: str) -> None:
    model, x = small(name, "auto"), 2 * torch.randn(3, 2, 4)
    torch.testing.assert_close(jacfwd(model)(x), jacrev(model)(x), rtol=1e-4, atol=1e-5)

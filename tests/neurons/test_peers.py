"""Neurons against SpikingJelly 2.0, snnTorch 1.0 and norse 1.1 where their equations coincide; docs/concepts/peers.md has the mapping.

Outputs must be equal; gradients agree to rounding. Each runs where the peer is installed.
"""

import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from spikeformers.neurons import NEURONS

pytestmark = pytest.mark.peers

SPIKINGJELLY: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "lif": ("lif", {"tau": 3.0}, "LIFNode", {"tau": 3.0}),
    "lif_undamped_soft": (
        "lif",
        {"tau": 3.0, "decay_input": False, "v_reset": None},
        "LIFNode",
        {"tau": 3.0, "decay_input": False, "v_reset": None},
    ),
    "lif_reset_elsewhere": (
        "lif",
        {"v_reset": -0.2, "v_threshold": 0.7},
        "LIFNode",
        {"v_reset": -0.2, "v_threshold": 0.7},
    ),
    "if": ("if", {}, "IFNode", {}),
    "if_soft": ("if", {"v_reset": None}, "IFNode", {"v_reset": None}),
    "plif": ("plif", {"init_tau": 2.5}, "ParametricLIFNode", {"init_tau": 2.5}),
    "qif": ("qif", {"v_critical": 0.6}, "QIFNode", {"v_c": 0.6}),
    "eif": ("eif", {"sharpness": 0.8, "v_rheobase": 0.7}, "EIFNode", {"delta_T": 0.8, "theta_rh": 0.7}),
    "izhikevich": (
        "izhikevich",
        {"coupling": 0.3, "jump": 0.4, "tau_recovery": 3.0},
        "IzhikevichNode",
        {"a": 0.3, "b": 0.4, "tau_w": 3.0},
    ),
    "izhikevich_soft": (
        "izhikevich",
        {"coupling": 0.3, "jump": 0.4, "v_reset": None},
        "IzhikevichNode",
        {"a": 0.3, "b": 0.4, "v_reset": None},
    ),
    "qif_soft": ("qif", {"v_reset": None}, "QIFNode", {"v_reset": None}),
    "eif_soft": ("eif", {"v_reset": None}, "EIFNode", {"v_reset": None}),
    "klif": ("klif", {"scale_reset": True}, "KLIFNode", {"scale_reset": True}),
    "clif": ("clif", {"detach_reset": False}, "ComplementaryLIFNode", {}),
    "resonate": ("resonate", {"damping": 0.2}, "RAFNode", {"b": -0.2}),
    "cuba_lif": (
        "cuba_lif",
        {"v_threshold": 0.5, "detach_reset": False},
        "CUBALIFNode",
        {"c_decay": 0.5, "v_decay": 0.75, "v_threshold": 0.5},
    ),
    "psn": ("psn", {"steps": 8}, "PSN", {"T": 8}),
    "masked_psn": ("masked_psn", {"steps": 8, "order": 3}, "MaskedPSN", {"T": 8, "k": 3, "lambda_init": 1.0}),
    "sliding_psn": ("sliding_psn", {"order": 3}, "SlidingPSN", {"k": 3}),
}


def gradients(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    leaf = x.clone().requires_grad_()
    y = function(leaf)
    torch.manual_seed(5)
    (y * torch.randn_like(y)).sum().backward()
    assert leaf.grad is not None
    return y.detach(), leaf.grad


def currents() -> Tensor:
    torch.manual_seed(0)
    x = 1.5 * torch.randn(8, 4, 6) + 0.3
    x[..., ::3] = (4.0 * x[..., ::3]).round() / 4.0
    return x


@pytest.mark.parametrize("case", SPIKINGJELLY)
def test_equal_to_spikingjelly(case: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("spikingjelly.activation_based.neuron")
        surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    name, ours, theirs, fields = SPIKINGJELLY[case]
    fields = {**fields, "surrogate_function": surrogate.ATan(alpha=2.0)}
    ours = {**ours, "surrogate": "atan"}
    if name not in ("clif", "cuba_lif", "psn", "masked_psn", "sliding_psn"):
        fields = {**fields, "detach_reset": True}
    module, node = NEURONS.config(name).but(**ours).build(), getattr(peer, theirs)(**fields)
    if hasattr(node, "step_mode"):
        node.step_mode = "m"
    _same_weights(module, node)
    y, grad = gradients(module, currents())
    expected, wanted = gradients(node, currents())
    assert torch.equal(y, expected)
    assert 0.02 < float(y.mean()) < 0.98
    torch.testing.assert_close(grad, wanted, rtol=1e-4, atol=1e-5)


def _same_weights(module: nn.Module, node: nn.Module) -> None:
    theirs = dict(node.named_parameters())
    for name, value in module.named_parameters():
        with torch.no_grad():
            value.copy_(theirs[name].view_as(value))


def test_glif_equals_the_gated_neuron_of_spikingjelly_with_a_constant_conductance() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("spikingjelly.activation_based.neuron")
        surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    node = peer.GatedLIFNode(T=8, surrogate_function=surrogate.ATan(alpha=2.0))
    module = NEURONS.config("glif").but(surrogate="atan").build()
    names = {"threshold": "v_threshold", "leak": "linear_decay", "subreset": "v_subreset"}
    with torch.no_grad():
        for name, value in module.named_parameters():
            other = node.conduct[0] if name == "conductance" else getattr(node, names.get(name, name))
            value.copy_(other)
    x = currents()[..., None, None]
    y, grad = gradients(module, x)
    expected, wanted = gradients(node, x)
    assert torch.equal(y, expected)
    torch.testing.assert_close(grad, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("ours", "theirs"), [("soft", "subtract"), ("hard", "zero"), ("none", "none")])
def test_decay_lif_equals_snntorch_leaky(ours: str, theirs: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snntorch = pytest.importorskip("snntorch")
    cell = snntorch.Leaky(beta=0.7, reset_mechanism=theirs, reset_delay=False)
    module = NEURONS.config("decay_lif").but(decay=0.7, strict=True, reset=ours).build()
    # a soft reset that leaves the potential above the threshold is reset again by snnTorch at the next step
    x = currents().clamp(max=0.95)
    mem, spikes = cell.init_leaky(), []
    for current in x:
        spike, mem = cell(current, mem)
        spikes.append(spike.detach())
    assert torch.equal(module(x), torch.stack(spikes))


@pytest.mark.parametrize(("v_reset", "theirs"), [(0.0, "zero"), (None, "subtract")])
def test_cuba_lif_equals_snntorch_synaptic(v_reset: float | None, theirs: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        snntorch = pytest.importorskip("snntorch")
    cell = snntorch.Synaptic(alpha=0.4, beta=0.6, reset_mechanism=theirs, reset_delay=False)
    module = NEURONS.config("cuba_lif").but(decay_synapse=0.4, decay=0.6, strict=True, v_reset=v_reset).build()
    # a soft reset that leaves the potential above the threshold is reset again by snnTorch at the next step
    x = 0.4 * currents().clamp(max=1.5)
    (syn, mem), spikes = cell.init_synaptic(), []
    for current in x:
        spike, syn, mem = cell(current, syn, mem)
        spikes.append(spike.detach())
    assert torch.equal(module(x), torch.stack(spikes))
    assert 0.02 < float(torch.stack(spikes).mean()) < 0.98


NORSE: dict[str, tuple[str, dict[str, Any], float]] = {
    "iaf": ("if", {"v_threshold": 0.8, "v_reset": -0.25}, 1.0),
    "lif_box": ("lif", {"tau": 4.0, "v_reset": 0.125}, 1.0),
    "lif": ("cuba_lif", {"decay_synapse": 0.5, "decay": 0.75, "strict": True}, 0.25),
    "lif_adex": (
        "adex",
        {"tau": 4.0, "sharpness": 0.5, "v_rheobase": 1.0, "v_reset": 0.0, "tau_adaptation": 4.0, "coupling": 0.5},
        1.0,
    ),
    "lif_ex": ("eif", {"tau": 4.0, "sharpness": 0.5, "v_rheobase": 1.0, "v_reset": -0.25}, 1.0),
    "lif_refrac": ("refractory_lif", {"tau": 4.0, "refractory": 3}, 1.0),
    "lsnn": ("alif", {"decay": 0.75, "decay_adaptation": 0.5, "adaptation": 0.25, "v_reset": 0.0}, 0.25),
}
"""norse's function → our neuron, its fields, and the factor on our input."""


def norse_spikes(norse: Any, name: str, x: Tensor) -> Tensor:
    """Spikes of one of norse's feed-forward steps over T; a step lasts 1, so inverse time constants are the rates."""
    p: Any
    synapse = {"tau_mem_inv": torch.tensor(0.25), "tau_syn_inv": torch.tensor(1.0)}
    zero = torch.zeros_like(x[0])
    if name == "iaf":
        p = norse.iaf.IAFParameters(v_th=torch.tensor(0.8), v_reset=torch.tensor(-0.25))
        step, state = norse.iaf.iaf_feed_forward_step, norse.iaf.IAFFeedForwardState(zero - 0.25)
    elif name == "lif_box":
        rest = torch.tensor(0.125)
        p = norse.lif_box.LIFBoxParameters(tau_mem_inv=torch.tensor(0.25), v_leak=rest, v_reset=rest)
        step, state = norse.lif_box.lif_box_feed_forward_step, norse.lif_box.LIFBoxFeedForwardState(zero + rest)
    elif name == "lif":
        p = norse.lif.LIFParameters(tau_mem_inv=torch.tensor(0.25), tau_syn_inv=torch.tensor(0.5))
        step, state = norse.lif.lif_feed_forward_step, norse.lif.LIFFeedForwardState(zero, zero)
    elif name == "lif_ex":
        p = norse.lif_ex.LIFExParameters(delta_T=torch.tensor(0.5), v_reset=torch.tensor(-0.25), **synapse)
        step, state = norse.lif_ex.lif_ex_feed_forward_step, norse.lif_ex.LIFExFeedForwardState(zero - 0.25, zero)
    elif name == "lif_adex":
        adaptation = {"adaptation_current": torch.tensor(0.5), "adaptation_spike": torch.tensor(0.2)}
        p = norse.lif_adex.LIFAdExParameters(
            **adaptation, tau_ada_inv=torch.tensor(0.25), delta_T=torch.tensor(0.5), **synapse
        )
        step, state = (
            norse.lif_adex.lif_adex_feed_forward_step,
            norse.lif_adex.LIFAdExFeedForwardState(zero, zero, zero),
        )
    elif name == "lif_refrac":
        p = norse.lif_refrac.LIFRefracParameters(norse.lif.LIFParameters(**synapse), torch.tensor(3.0))
        step = norse.lif_refrac.lif_refrac_feed_forward_step
        state = norse.lif_refrac.LIFRefracFeedForwardState(norse.lif.LIFFeedForwardState(zero, zero), zero)
    else:
        p = norse.lsnn.LSNNParameters(tau_adapt_inv=torch.tensor(0.5), beta=torch.tensor(0.5), **synapse)
        # its current charges the membrane one step later, so it starts with the first input and ends without the last
        step, state = norse.lsnn.lsnn_feed_forward_step, norse.lsnn.LSNNFeedForwardState(zero, x[0], zero + 1.0)
        x = torch.cat([x[1:], zero[None]])
    spikes = []
    for current in x:
        spike, state = step(current, state, p, dt=1.0)
        spikes.append(spike.detach())
    return torch.stack(spikes)


@pytest.fixture(scope="module")
def norse() -> SimpleNamespace:
    """norse's functions, without what needs torchvision."""
    path = Path(__file__).parents[2] / "benchmarks" / "peers.py"
    spec = spec_from_file_location("peers", path)
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found, note = module.norse()
    if found is None:
        pytest.skip(note)
    found.lif_adex = import_module("norse.torch.functional.lif_adex")
    return found


@pytest.mark.parametrize("name", NORSE)
def test_equal_to_norse(norse: SimpleNamespace, name: str) -> None:
    family, fields, factor = NORSE[name]
    torch.manual_seed(0)
    x = 1.5 * torch.randn(12, 4, 6) + 1.5  # no potential meets its threshold exactly, where norse stays silent
    y = NEURONS.config(family).but(**fields).build()(factor * x)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = norse_spikes(norse, name, x)
    assert torch.equal(y, expected)
    assert 0.02 < float(y.mean()) < 0.98


@pytest.mark.parametrize("levels", [2, 4])
def test_ilif_equals_the_integer_neuron_of_spikingjelly(levels: int) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("spikingjelly.activation_based.neuron")
        surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    count = surrogate.MultiLevelSpikeCount(levels)
    node = peer.ILIFNode(tau=2.0, v_threshold=0.8, surrogate_function=count, detach_reset=True, step_mode="m")
    module = NEURONS.config("ilif").but(decay=0.5, v_threshold=0.8, levels=levels).build()
    x = 2.0 * currents().double()
    y, grad = gradients(module, x)
    expected, wanted = gradients(node, x)
    assert torch.equal(y, expected)
    torch.testing.assert_close(grad, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("above", [False, True])
def test_liaf_equals_the_analog_neuron_of_spikingjelly(above: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peer = pytest.importorskip("spikingjelly.activation_based.neuron")
        surrogate = pytest.importorskip("spikingjelly.activation_based.surrogate")
    node = peer.LIAFNode(torch.relu, above, tau=2.0, surrogate_function=surrogate.ATan(alpha=2.0))
    fields = {"tau": 2.0, "v_threshold": 1.0, "above_threshold": above, "surrogate": "atan"}
    y, grad = gradients(NEURONS.config("liaf").but(**fields).build(), currents())
    # step by step: its multi-step mode emits the spikes of a LIF
    expected, wanted = gradients(lambda x: torch.stack([node(xt) for xt in x]), currents())
    assert torch.equal(y, expected)
    torch.testing.assert_close(grad, wanted, rtol=1e-4, atol=1e-5)

"""The neurons of NIR as modules, for graphs that come from elsewhere.

Their equations, by forward Euler steps of length dt, are traced and fused like those of every neuron here. A neuron starts
at its reset potential, one without firing at its leak potential.
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful, check_state
from spikeformers.core.errors import ShapeError
from spikeformers.kernels.scan import Definition, register_definition, scan
from spikeformers.layers.time import over_time
from spikeformers.neurons import SurrogateConfig
from spikeformers.neurons.nir import Primitive

Synapse = Literal["new", "old"]
"""Which synaptic current charges the membrane: the one that this step's input is in, or that of the step before."""


def _fired(ops: Any, h: Any, threshold: Any, reset: Any) -> tuple[Any, dict[str, Any]]:
    y = ops.spike(h - threshold, strict=True)
    s = ops.detach(y)
    return y, {"v": (1.0 - s) * h + s * reset}


def _if(ops: Any, x: Any, v: Any, charge: Any, threshold: Any, reset: Any) -> tuple[Any, dict[str, Any]]:
    return _fired(ops, v + charge * x, threshold, reset)


def _lif(
    ops: Any, x: Any, v: Any, rate: Any, leak: Any, gain: Any, threshold: Any, reset: Any
) -> tuple[Any, dict[str, Any]]:
    return _fired(ops, v + rate * (leak - v + gain * x), threshold, reset)


def _integrator(ops: Any, x: Any, v: Any, charge: Any) -> tuple[Any, dict[str, Any]]:
    h = v + charge * x
    return h, {"v": h}


def _leaky(ops: Any, x: Any, v: Any, rate: Any, leak: Any, gain: Any) -> tuple[Any, dict[str, Any]]:
    h = v + rate * (leak - v + gain * x)
    return h, {"v": h}


def _synaptic(membrane: Callable[..., Any], synapse: Synapse) -> Callable[..., Any]:
    """The equations of a neuron behind a synapse."""

    def step(
        ops: Any, x: Any, v: Any, i: Any, rate_synapse: Any, weight: Any, **constants: Any
    ) -> tuple[Any, dict[str, Any]]:
        current = i + rate_synapse * (weight * x - i)
        y, states = membrane(ops, current if synapse == "new" else i, v, **constants)
        return y, {**states, "i": current}

    return step


def _threshold(ops: Any, x: Any, threshold: Any) -> tuple[Any, dict[str, Any]]:
    return ops.spike(x - threshold, strict=True), {}


_FIRING = ("threshold", "reset")
_STEPS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "I": (_integrator, ("charge",)),
    "IF": (_if, ("charge", *_FIRING)),
    "LI": (_leaky, ("rate", "leak", "gain")),
    "LIF": (_lif, ("rate", "leak", "gain", *_FIRING)),
    "CubaLI": (_leaky, ("rate_synapse", "weight", "rate", "leak", "gain")),
    "CubaLIF": (_lif, ("rate_synapse", "weight", "rate", "leak", "gain", *_FIRING)),
    "Threshold": (_threshold, ("threshold",)),
}
KINDS = tuple(_STEPS)
"""Primitives of NIR that are neurons."""
_PLAIN = {"leak": "v_leak", "gain": "r", "threshold": "v_threshold", "reset": "v_reset", "weight": "w_in"}


class NIRNeuron(Stateful):
    """One neuron node of NIR, with constants for each neuron: [T, B, *population] → the same shape.

    Args:
        primitive: the node; constants are arrays of the shape of the population.
        dt: length of a step, in the unit of the node's time constants.
        synapse: for `CubaLI` and `CubaLIF`, which current charges the membrane.
        surrogate: derivative of the spike, for training on.
    """

    def __init__(self, primitive: Primitive, *, dt: float, synapse: Synapse, surrogate: SurrogateConfig) -> None:
        super().__init__()
        self.primitive = primitive
        self.population = tuple(next(iter(primitive.constants.values())).shape)
        step, names = _STEPS[primitive.kind]
        cuba = primitive.kind.startswith("Cuba")
        states = () if primitive.kind == "Threshold" else ("v", "i") if cuba else ("v",)
        self._definition = register_definition(
            Definition(
                key=f"NIR {primitive.kind} {synapse if cuba else ''} {surrogate.to_dict()}",
                step=_synaptic(step, synapse) if cuba else step,
                states=dict.fromkeys(states, 0.0),
                params=names,
                surrogate=surrogate if primitive.kind in ("IF", "LIF", "CubaLIF", "Threshold") else None,
            )
        )
        for name in names:
            self.register_buffer(name, _shared(_constant(name, primitive, dt)), persistent=False)

    def initial(self, x0: Tensor) -> State:
        wide = torch.float64 if x0.dtype is torch.float64 else torch.float32
        zero = torch.zeros_like(x0, dtype=wide)
        constants = dict(self.named_buffers())
        start = constants.get("reset", constants.get("leak"))
        values = {"v": zero if start is None else zero + start, "i": zero}
        return {name: values[name] for name in self._definition.states}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        if tuple(x.shape[2:]) != self.population:
            raise ShapeError(f"{self.primitive.kind} has {self.population} neurons; the input is {tuple(x.shape)}")
        state = self.initial(x[0]) if state is None else state
        check_state(self.primitive.kind, state, x[0])
        return scan(self._definition, x, state, dict(self.named_buffers()), keep=keep)

    def extra_repr(self) -> str:
        return f"{self.primitive.kind}, {self.population}"


def _constant(name: str, primitive: Primitive, dt: float) -> Tensor:
    """A constant of the equations from those of the node."""
    own = {n: v.double() for n, v in primitive.constants.items()}
    if name == "charge":
        return dt * own["r"]
    if name == "rate":
        return dt / own["tau" if "tau" in own else "tau_mem"]
    if name == "rate_synapse":
        return dt / own["tau_syn"]
    return own["threshold"] if primitive.kind == "Threshold" else own[_PLAIN[name]]


def _shared(value: Tensor) -> Tensor:
    """One number where all neurons have the same: kernels then read it once."""
    value = value.float()
    return value.flatten()[0] if value.numel() and bool((value == value.flatten()[0]).all()) else value


class Scale(nn.Module):
    """A factor for each value: [T, B, *shape] → the same shape."""

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.scale = nn.Parameter(scale)

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * x


class SumPool2d(nn.Module):
    """Sum over windows: an average pool that counts padding, times the size of its window."""

    def __init__(self, kernel_size: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int]) -> None:
        super().__init__()
        self.pool = nn.AvgPool2d(kernel_size, stride, padding, divisor_override=1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.pool(x)
        return y


class Graph(nn.Module):
    """Nodes that take the sum of their predecessors: [T, B, *in] → [T, B, *out].

    Args:
        nodes: module by name, in an order in which every node comes after those that it takes from.
        sources: node name, and `output`, → what it takes the sum of; `input` is the input.
    """

    def __init__(self, nodes: Mapping[str, nn.Module], sources: Mapping[str, tuple[str, ...]]) -> None:
        super().__init__()
        self.nodes = nn.ModuleDict(nodes)
        self.sources = dict(sources)

    def forward(self, x: Tensor) -> Tensor:
        values = {"input": x}
        for name, module in self.nodes.items():
            taken = self._sum(values, name)
            keeps_time = isinstance(module, (Stateful, Scale, Graph))
            values[name] = module(taken) if keeps_time else over_time(module, taken)
        return self._sum(values, "output")

    def _sum(self, values: Mapping[str, Tensor], name: str) -> Tensor:
        first, *others = (values[source] for source in self.sources[name])
        for other in others:
            first = first + other
        return first

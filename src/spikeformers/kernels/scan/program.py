"""A neuron's recorded step together with its derivative: all that emitters of kernels read.

What depends on parameters alone (1/τ = σ(w), say) is not part of the kernel: `invariants` computes it once per call with
ordinary tensor operations, so kernels see the results as their parameters and autograd chains through the rest.

Constants (a threshold, 1/τ) are arguments of kernels: programs that differ in nothing else have one `structure` and share
compiled kernels.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan.adjoint import transpose
from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.graph import BOOLEAN, LITERAL, Graph
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.kernels.scan.trace import Trace, _place, trace


@dataclass(frozen=True)
class Program:
    """One step and its vector-Jacobian product, as nodes of one graph.

    Attributes:
        key: names this program; equal keys mean equal equations.
        graph: all operations.
        x, y: nodes of input and output.
        states, new_states: nodes of the states before and after, in declared order.
        params: nodes that the kernel reads as parameters; constant over steps.
        initial: values of the states before the first step.
        gy, g_new: nodes of the cotangents of the output and the new states.
        gx, g_states, g_params: nodes of the cotangents asked for; None where there is no gradient path.
    """

    key: str
    graph: Graph
    x: int
    states: tuple[int, ...]
    params: tuple[int, ...]
    y: int
    new_states: tuple[int, ...]
    names: tuple[str, ...]
    initial: tuple[float, ...]
    gy: int
    g_new: tuple[int, ...]
    gx: int
    g_states: tuple[int | None, ...]
    g_params: tuple[int | None, ...]

    @cached_property
    def constants(self) -> tuple[int, ...]:
        """Nodes of numbers that kernels take as arguments, in the order of `numbers`."""
        return tuple(n for n, value in self._values.items() if math.isfinite(value) and value not in LITERAL)

    @cached_property
    def literals(self) -> dict[int, float]:
        """Nodes of numbers that stand in the kernels themselves, and their values."""
        return {n: value for n, value in self._values.items() if n not in self.constants}

    @cached_property
    def _values(self) -> dict[int, float]:
        nodes = ((n, self.graph.nodes[n]) for n in self.graph.live(self._results, self._given))
        return {n: node.value for n, node in nodes if node.op == "const" and isinstance(node.value, float)}

    @cached_property
    def structure(self) -> str:
        """Equal where emitted kernels are equal: all that makes a program but the values of its constants."""
        return self.graph.digest([*self._results, *self._given], self._given, self.constants)

    def numbers(self, dtype: torch.dtype, device: torch.device) -> Tensor:
        """What kernels read besides the caller's tensors: the constants, then the states before the first step."""
        place = dtype, device
        if place not in self._numbers:
            values = [*(self._values[n] for n in self.constants), *self.initial, 0.0]
            self._numbers[place] = torch.tensor(values, dtype=dtype, device=device)
        return self._numbers[place]

    @cached_property
    def _numbers(self) -> dict[tuple[torch.dtype, torch.device], Tensor]:
        return {}

    @property
    def _results(self) -> list[int | None]:
        return [self.y, *self.new_states, self.gx, *self.g_states, *self.g_params]

    @property
    def _given(self) -> tuple[int, ...]:
        return (*self.leaves, self.gy, *self.g_new)

    def invariants(self, params: Mapping[str, Tensor]) -> list[Tensor]:
        """The kernel's parameters from the neuron's, differentiably."""
        values = {f"param:{name}": value for name, value in params.items()}
        return self.graph.evaluate(self.params, values, TorchOps())

    @property
    def leaves(self) -> tuple[int, ...]:
        """Nodes that a kernel reads from outside in its forward step."""
        return (self.x, *self.states, *self.params)


def compile_program(definition: Definition) -> Program:
    """Record and differentiate a definition.

    Raises:
        ConfigError: the step cannot become a kernel, or nothing could be learned through it.
    """
    step = trace(definition)
    graph, states, new = step.graph, tuple(step.states.values()), tuple(step.new_states.values())
    params = _frontier(definition, step)
    gy = graph.input("grad:y")
    g_new = tuple(graph.input(f"grad:{name}") for name in step.states)
    cotangents: dict[int, int] = {}
    for node, g in [(step.y, gy), *zip(new, g_new, strict=True)]:
        cotangents[node] = graph.add("add", cotangents[node], g) if node in cotangents else g
    found = transpose(graph, cotangents, [step.x, *states, *params], definition.surrogate)
    gx = found[step.x]
    if gx is None:
        raise ConfigError(
            f"{_place(definition.step)}: no gradient reaches the input x, so nothing before this neuron could learn; "
            "x must come to the output or to a state other than through comparisons and ops.detach"
        )
    g_states = tuple(None if definition.detach_state else found[node] for node in states)
    g_params = tuple(found[node] for node in params)
    outputs = [step.y, *new, gx, *(g for g in (*g_states, *g_params) if g is not None)]
    key = f"{definition.key}#{graph.digest(outputs)}{'-sltt' if definition.detach_state else ''}"
    small, at = graph.compact([*outputs, step.x, *states, *params, gy, *g_new])
    return Program(
        key=key,
        graph=small,
        x=at[step.x],
        states=tuple(at[n] for n in states),
        params=tuple(at[n] for n in params),
        y=at[step.y],
        new_states=tuple(at[n] for n in new),
        names=tuple(step.states),
        initial=tuple(float(definition.states[name]) for name in step.states),
        gy=at[gy],
        g_new=tuple(at[n] for n in g_new),
        gx=at[gx],
        g_states=tuple(None if g is None else at[g] for g in g_states),
        g_params=tuple(None if g is None else at[g] for g in g_params),
    )


def _frontier(definition: Definition, step: Trace) -> tuple[int, ...]:
    """Nodes that depend on parameters alone and are read by those that depend on input or state."""
    graph = step.graph
    outputs = [step.y, *step.new_states.values()]
    live = graph.linked(outputs)
    for name, node in step.params.items():
        if node not in live:
            raise ConfigError(
                f"{_place(definition.step)}: parameter {name!r} has no effect on the output or the states"
            )
    varying = graph.varying([step.x, *step.states.values()])
    read = {arg for node in live if node in varying for arg in graph.nodes[node].args} | set(outputs)
    constant = graph.varying(step.params.values()) - varying
    found, stack = set(), list(read & constant)
    while stack:
        node = stack.pop()
        if graph.nodes[node].op in BOOLEAN:
            stack.extend(constant & set(graph.nodes[node].args))
        else:
            found.add(node)
    return tuple(sorted(found))

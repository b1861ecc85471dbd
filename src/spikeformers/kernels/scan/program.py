"""A neuron's recorded step together with its derivative: all that emitters of kernels read.

What depends on parameters alone (1/τ = σ(w), say) is not part of the kernel: `invariants` computes it once per call with
ordinary tensor operations, so kernels see the results as their parameters and autograd chains through the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan.adjoint import transpose
from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.graph import BOOLEAN, Graph
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.kernels.scan.trace import Trace, _place, trace


@dataclass(frozen=True)
class Program:
    """One step and its vector-Jacobian product, as nodes of one graph.

    Attributes:
        key: names this program; equal keys mean equal kernels.
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
    return Program(
        key=f"{definition.key}#{graph.digest(outputs)}{'-sltt' if definition.detach_state else ''}",
        graph=graph,
        x=step.x,
        states=states,
        params=params,
        y=step.y,
        new_states=new,
        names=tuple(step.states),
        initial=tuple(float(definition.states[name]) for name in step.states),
        gy=gy,
        g_new=g_new,
        gx=gx,
        g_states=g_states,
        g_params=g_params,
    )


def _frontier(definition: Definition, step: Trace) -> tuple[int, ...]:
    """Nodes that depend on parameters alone and are read by those that depend on input or state."""
    graph = step.graph
    outputs = [step.y, *step.new_states.values()]
    live = graph.live(outputs)
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

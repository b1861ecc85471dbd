"""How a program is cut into loops, and what is kept between them.

A chain of functions such as sigmoid(m · sigmoid(h)) has a long latency: in one loop the processor waits for it, since its
window holds only a few neurons. So each member of a chain gets a loop of its own, a `Stage`, over the neurons of a block.
Costly results pass from one stage to the next in rows that stay in cache; cheap operations are done again where they are
wanted. By the same rows the backward kernel spares the adjoint what was computed with the states.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from spikeformers.kernels.scan.graph import Graph
from spikeformers.kernels.scan.program import Program

CHAINED = frozenset({"exp", "log", "tanh", "sigmoid", "sin", "cos", "atan", "erf"})
"""Operations whose results end a stage."""


@dataclass(frozen=True)
class Stage:
    """One loop over neurons.

    Attributes:
        nodes: what it computes, in order.
        loads: kept nodes that it reads.
        stores: kept nodes that it writes.
    """

    nodes: tuple[int, ...]
    loads: tuple[int, ...]
    stores: tuple[int, ...]


@dataclass(frozen=True)
class Plan:
    """The loops of a program's kernels; its forward pass, its recomputation of states, and its adjoint."""

    program: Program

    @cached_property
    def forward(self) -> tuple[Stage, ...]:
        """Stages of one step of the forward kernel."""
        program = self.program
        return cut(program.graph, [program.y, *program.new_states], program.leaves)

    @cached_property
    def recompute(self) -> tuple[Stage, ...]:
        """Stages of one step from old states to new ones; they store `kept` among others."""
        program = self.program
        return cut(program.graph, program.new_states, program.leaves, self.kept)

    @cached_property
    def adjoint(self) -> tuple[Stage, ...]:
        """Stages of one step of the adjoint; they read `kept`."""
        return cut(self.program.graph, self._gradients, (*self._given, *self.kept))

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """Costly values that states and adjoint both need, kept for every step."""
        program, graph = self.program, self.program.graph
        both = set(graph.live(program.new_states, program.leaves)) & set(graph.live(self._gradients, self._given))
        costly = {n for n in both - set(program.leaves) if _costly(graph, n)}
        return tuple(n for n in graph.live(self._gradients, (*self._given, *costly)) if n in costly)

    @property
    def _gradients(self) -> list[int | None]:
        program = self.program
        return [program.gx, *program.g_states, *program.g_params]

    @property
    def _given(self) -> tuple[int, ...]:
        return (*self.program.leaves, self.program.gy, *self.program.g_new)


def passed(stages: Iterable[Stage]) -> tuple[int, ...]:
    """Nodes that one of the stages reads from another."""
    stages = tuple(stages)
    stored = {n for stage in stages for n in stage.stores}
    return tuple(sorted({n for stage in stages for n in stage.loads} & stored))


def cut(
    graph: Graph, outputs: Iterable[int | None], leaves: Iterable[int], wanted: Iterable[int] = ()
) -> tuple[Stage, ...]:
    """Stages that compute `outputs` in the last one.

    Args:
        leaves: nodes that every stage has.
        wanted: nodes behind `outputs` that are stored besides what stages pass on.
    """
    leaves, wanted, outputs = frozenset(leaves), frozenset(wanted), list(outputs)
    level = _levels(graph, graph.live(outputs, leaves), leaves)
    chained = {n: level[n] for n in level if n not in leaves and graph.nodes[n].op in CHAINED}
    last = max(chained.values(), default=0)
    goals: list[list[int | None]] = [[n for n, at in chained.items() if at == stage] for stage in range(last)]
    goals.append(outputs)
    kept = {n for n, at in chained.items() if at < last}
    repeated = _repeated(graph, goals, leaves, kept)
    return tuple(_stages(graph, goals, leaves, kept | repeated, wanted))


def _stages(
    graph: Graph, goals: list[list[int | None]], leaves: frozenset[int], kept: set[int], wanted: frozenset[int]
) -> list[Stage]:
    done: set[int] = set()
    stages = []
    for goal in goals:
        live = graph.live(goal, leaves | done)
        nodes = tuple(n for n in live if n not in leaves | done and graph.nodes[n].op != "const")
        stores = tuple(n for n in nodes if n in kept or n in wanted)
        stages.append(Stage(nodes, tuple(n for n in live if n in done - leaves), stores))
        done |= set(stores)
    later = [frozenset(n for stage in stages[k:] for n in stage.loads) for k in range(1, len(stages) + 1)]
    return [
        Stage(s.nodes, s.loads, tuple(n for n in s.stores if n in rest or n in wanted))
        for s, rest in zip(stages, later, strict=True)
    ]


def _repeated(graph: Graph, goals: list[list[int | None]], leaves: frozenset[int], kept: set[int]) -> set[int]:
    """Costly nodes that more than one stage would compute."""
    seen: set[int] = set()
    again: set[int] = set()
    for goal in goals:
        nodes = {n for n in graph.live(goal, leaves | (kept - set(goal))) if n not in leaves and _costly(graph, n)}
        again |= nodes & seen
        seen |= nodes
    return again


def _levels(graph: Graph, nodes: Iterable[int], leaves: frozenset[int]) -> dict[int, int]:
    """Node → how many chained operations lie before it at most."""
    level: dict[int, int] = {}
    for node in nodes:
        args = [] if node in leaves else [a for a in graph.nodes[node].args if a in level]
        level[node] = max((level[a] + (a not in leaves and graph.nodes[a].op in CHAINED) for a in args), default=0)
    return level


def _costly(graph: Graph, node: int) -> bool:
    """Whether loading a result is quicker than computing it again."""
    entry = graph.nodes[node]
    if entry.op == "div":
        return graph.nodes[entry.args[1]].op != "const"
    return entry.op in CHAINED

"""From a `Program` to Triton source.

A forward program scans one block of neurons with the states in registers. A backward program takes every P-th block (P
programs in all): it recomputes the states of each step into its own part of a scratch array, then runs the adjoint from
the last step to the first. Scratch grows with T·P·BLOCK, not with the number of neurons.

Arithmetic rounds as in the reference: division and square root are the exact ones, and kernels are launched without
fusing products and sums. Offsets are 64 bits wide. Neurons past the end are masked.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from spikeformers.kernels.scan.program import Program

_EXPRESSIONS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "neg": "-{0}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "not": "{0} == 0",
    "where": "tl.where({0}, {1}, {2})",
    "spike": "tl.where({0} >= ZERO, ONE, tl.where({0} < ZERO, ZERO, {0}))",
    "spike_strict": "tl.where({0} > ZERO, ONE, tl.where({0} <= ZERO, ZERO, {0}))",
    "detach": "{0}",
    "through": "{0}",
    "floor": "tl.floor({0})",
    "abs": "tl.abs({0})",
    "exp": "tl.exp({0})",
    "log": "tl.log({0})",
    "sin": "tl.sin({0})",
    "cos": "tl.cos({0})",
    "erf": "tl.erf({0})",
    "sigmoid": "ft.sigmoid({0})",
    "tanh": "ft.tanh({0})",
    "atan": "ft.atan({0})",
}
_BY_WIDTH = {
    "float32": {
        "div": "tl.div_rn({0}, {1})",
        "sqrt": "tl.sqrt_rn({0})",
        "round": "ft.round_half_even({0}, 12582912.0)",
    },
    "float64": {"div": "{0} / {1}", "sqrt": "tl.sqrt({0})", "round": "ft.round_half_even({0}, 6755399441055744.0)"},
}


@dataclass(frozen=True)
class Mode:
    """What differs between kernels of one program.

    Attributes:
        wide: name of the type that states and arithmetic have.
        per_neuron: for each parameter, whether every neuron has its own value.
        given: whether the initial states are tensors.
        last: whether the last states (or their cotangents) are read or written.
    """

    wide: str
    per_neuron: tuple[bool, ...]
    given: bool
    last: bool


def forward_source(program: Program, mode: Mode) -> str:
    """Source of `kernel(numbers, x, y, [state_k], [param_j], [last_k], steps, count, BLOCK)`."""
    return _Emitter(program, mode).forward()


def backward_source(program: Program, mode: Mode) -> str:
    """Source of `kernel(numbers, x, gy, gx, [state_k], [param_j], [g_last_k], [g_state_k], [g_param_j], past, steps, count, BLOCK)`.

    `past` is scratch, steps · states · BLOCK numbers for each program. `g_param_j` receives one value per neuron, or, of
    a scalar parameter, one sum per program.
    """
    return _Emitter(program, mode).backward()


def forward_arguments(program: Program, mode: Mode) -> list[str]:
    """Names of the tensors of the forward kernel."""
    states, params = range(len(program.states)), range(len(program.params))
    names = ["numbers", "x", "y", *(f"state_{k}" for k in states if mode.given), *(f"param_{j}" for j in params)]
    return [*names, *(f"last_{k}" for k in states if mode.last)]


def backward_arguments(program: Program, mode: Mode) -> list[str]:
    """Names of the tensors of the backward kernel."""
    states, params = range(len(program.states)), range(len(program.params))
    names = ["numbers", "x", "gy", "gx", *(f"state_{k}" for k in states if mode.given), *(f"param_{j}" for j in params)]
    names += [f"g_last_{k}" for k in states if mode.last] + [f"g_state_{k}" for k in states if mode.given]
    return [*names, *(f"g_param_{j}" for j in params), "past"]


class _Emitter:
    """Source text under construction for one kernel."""

    def __init__(self, program: Program, mode: Mode) -> None:
        self.program, self.mode, self.graph = program, mode, program.graph
        self.states = range(len(program.states))
        self.lines: list[str] = []
        self.depth = 0

    def forward(self) -> str:
        program = self.program
        outputs = [program.y, *program.new_states]
        self._head(forward_arguments(program, self.mode))
        self("o = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)", "mask = o < count")
        self._neuron_params()
        self._start_states()
        self("at = o")
        self._open("for _ in range(steps):")
        self._step(outputs)
        self(f"tl.store(y + at, ({self._wide_block(program.y)}).to(y.dtype.element_ty), mask=mask)")
        self(*(f"v{k} = {self._wide_block(node)}" for k, node in enumerate(program.new_states)))
        self("at += count")
        self._close()
        if self.mode.last:
            self(*(f"tl.store(last_{k} + o, v{k}, mask=mask)" for k in self.states))
        return "\n".join(self.lines) + "\n"

    def backward(self) -> str:
        program, mode, states = self.program, self.mode, self.states
        gradients = [g for g in (program.gx, *program.g_states, *program.g_params) if g is not None]
        self._head(backward_arguments(program, mode))
        self("place = tl.program_id(0).to(tl.int64)", "lanes = tl.arange(0, BLOCK)")
        self("programs = tl.num_programs(0)", "blocks = tl.cdiv(count, BLOCK)")
        self(f"kept = past + place * steps * {max(1, len(states))} * BLOCK + lanes")
        self(*(f"s{j} = tl.zeros((BLOCK,), tl.{mode.wide})" for j, own in enumerate(mode.per_neuron) if not own))
        self("o = place * BLOCK + lanes")
        self._open("for _ in range(tl.cdiv(blocks - tl.program_id(0), programs)):")
        self("mask = o < count")
        self._neuron_params()
        self._start_states()
        self("at = o")
        self._open("for t in range(steps):")
        self(*(f"tl.store(kept + (t * {len(states)} + {k}) * BLOCK, v{k})" for k in states))
        self._step(program.new_states)
        self(*(f"v{k} = {self._wide_block(node)}" for k, node in enumerate(program.new_states)))
        self("at += count")
        self._close()
        self("tl.debug_barrier()")
        self._adjoint(gradients)
        self(*(f"tl.store(g_state_{k} + o, g{k}, mask=mask)" for k in states if mode.given))
        self(*(f"tl.store(g_param_{j} + o, a{j}, mask=mask)" for j, own in enumerate(mode.per_neuron) if own))
        self("tl.debug_barrier()", "o += programs * BLOCK")
        self._close()
        self(*(f"tl.store(g_param_{j} + place, tl.sum(s{j}, 0))" for j, own in enumerate(mode.per_neuron) if not own))
        return "\n".join(self.lines) + "\n"

    def _adjoint(self, gradients: list[int]) -> None:
        program, mode, states = self.program, self.mode, self.states
        zeros = f"tl.zeros((BLOCK,), tl.{mode.wide})"
        for k in states:
            self(f"g{k} = " + (f"tl.load(g_last_{k} + o, mask=mask, other=0.0)" if mode.last else zeros))
        self(*(f"a{j} = {zeros}" for j, own in enumerate(mode.per_neuron) if own))
        self._open("for back in range(steps):")
        self("t = steps - 1 - back", "at -= count")
        self(*(f"v{k} = tl.load(kept + (t * {len(states)} + {k}) * BLOCK)" for k in states))
        self(f"n{program.gy} = tl.load(gy + at, mask=mask, other=0.0).to(tl.{mode.wide})")
        self(*(f"n{node} = g{k}" for k, node in enumerate(program.g_new)))
        self._step(gradients, (program.gy, *program.g_new))
        self(f"tl.store(gx + at, ({self._wide_block(program.gx)}).to(gx.dtype.element_ty), mask=mask)")
        for k, node in enumerate(program.g_states):
            self(f"g{k} = " + (zeros if node is None else self._wide_block(node)))
        for j, node in enumerate(program.g_params):
            if node is not None:
                into, share = ("a" if mode.per_neuron[j] else "s"), f"tl.where(mask, {self._wide_block(node)}, ZERO)"
                self(f"{into}{j} += {share}")
        self._close()

    def _head(self, tensors: list[str]) -> None:
        self(
            f'"""Fused scan, program {self.program.structure}."""',
            "",
            "import triton",
            "import triton.language as tl",
            "",
        )
        self("from spikeformers.kernels.scan.triton import math as ft", "", "", "@triton.jit")
        self._open(f"def kernel({', '.join([*tensors, 'steps', 'count'])}, BLOCK: tl.constexpr):")
        wide = self.mode.wide
        self(f"ZERO = tl.full((), 0.0, tl.{wide})", f"ONE = tl.full((), 1.0, tl.{wide})")
        for node, value in self.program.literals.items():
            self(f"n{node} = tl.full((), {_number(value)}, tl.{wide})")
        self(*(f"n{node} = tl.load(numbers + {k})" for k, node in enumerate(self.program.constants)))
        for j, own in enumerate(self.mode.per_neuron):
            if not own:
                self(f"n{self.program.params[j]} = tl.load(param_{j})")

    def _neuron_params(self) -> None:
        for j, own in enumerate(self.mode.per_neuron):
            if own:
                self(f"n{self.program.params[j]} = tl.load(param_{j} + o, mask=mask, other=1.0)")

    def _start_states(self) -> None:
        for k in self.states:
            given = f"tl.load(state_{k} + o, mask=mask, other=0.0)"
            constant = f"tl.load(numbers + {len(self.program.constants) + k}) + tl.zeros((BLOCK,), tl.{self.mode.wide})"
            self(f"v{k} = {given if self.mode.given else constant}")

    def _step(self, outputs: Iterable[int], given: Iterable[int] = ()) -> None:
        """Load the input at `at`, then the operations behind `outputs`."""
        program = self.program
        self(f"n{program.x} = tl.load(x + at, mask=mask, other=0.0).to(tl.{self.mode.wide})")
        self(*(f"n{node} = v{k}" for k, node in enumerate(program.states)))
        leaves = {*program.leaves, *given}
        expressions = _EXPRESSIONS | _BY_WIDTH[self.mode.wide]
        for node in self.graph.live(outputs, leaves):
            entry = self.graph.nodes[node]
            if node not in leaves and entry.op != "const":
                self(f"n{node} = {expressions[entry.op].format(*(f'n{a}' for a in entry.args))}")

    def _wide_block(self, node: int) -> str:
        """A node as a whole block: one that depends on scalars alone has no lanes of its own."""
        return f"n{node} + tl.zeros((BLOCK,), tl.{self.mode.wide})" if node in self._uniform() else f"n{node}"

    def _uniform(self) -> set[int]:
        program = self.program
        own = [p for p, per_neuron in zip(program.params, self.mode.per_neuron, strict=True) if per_neuron]
        varying = self.graph.varying([program.x, *program.states, *own, program.gy, *program.g_new])
        return set(range(len(self.graph.nodes))) - varying

    def _open(self, line: str) -> None:
        self(line)
        self.depth += 1

    def _close(self) -> None:
        self.depth -= 1

    def __call__(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]


def _number(number: float) -> str:
    return repr(number) if number - number == 0 else f'float("{number}")'

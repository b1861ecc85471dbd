"""From a `Program` to Numba source.

An emitted module has one C function, `entry`. It draws shares of the neurons (see `kernels.threads`) and scans each
share in blocks: over blocks, inside over T, inside over the stages of a step (see `stages`), innermost over the neurons of
a block. The innermost loops hold the recorded operations one to a line and become vector code. The forward kernel saves
nothing. The backward kernel first recomputes the states of a block into a buffer that stays in cache, with what the
adjoint needs of the way there, then runs the adjoint from the last step to the first.

The argument of `entry` points at 64-bit integers: steps, neurons, shares, neurons of a share, neurons of a block, the
counter of drawn shares, whether results are stored past the caches (see `stream`), then the addresses of the program's
numbers and of the arrays in the order that `forward_source` and `backward_source` name.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from spikeformers.kernels.scan.cpu.operations import EXPRESSIONS, LOAD, STORE
from spikeformers.kernels.scan.cpu.stages import Plan, Stage, passed
from spikeformers.kernels.scan.program import Program

_HEAD = 7


@dataclass(frozen=True)
class Mode:
    """What differs between kernels of one program.

    Attributes:
        storage: numpy name of the elements of x and y; uint16 holds a bfloat16.
        wide: numpy name of what states and arithmetic have.
        per_neuron: for each parameter, whether every neuron has its own value.
        given: whether the initial states are tensors.
        last: whether the last states (or their cotangents) are read or written.
    """

    storage: str
    wide: str
    per_neuron: tuple[bool, ...]
    given: bool
    last: bool


def forward_source(program: Program, mode: Mode) -> str:
    """Source of the forward kernel over numbers, x, y, [state_k], [param_j], [last_k]."""
    return _Emitter(program, mode).forward()


def backward_source(program: Program, mode: Mode) -> str:
    """Source of the backward kernel over numbers, x, gy, gx, [state_k], [param_j], [g_last_k], [g_state_k], [g_param_j].

    `g_param_j` receives one value per neuron, or, of a scalar parameter, one float64 sum per share.
    """
    return _Emitter(program, mode).backward()


def forward_rows(program: Program) -> tuple[int, int]:
    """Rows of a block that the forward kernel works on: so many, and so many more for each step."""
    return len(program.states) + len(passed(Plan(program).forward)) + 2, 0


def backward_rows(program: Program) -> tuple[int, int]:
    """As `forward_rows`, of the backward kernel."""
    plan, states = Plan(program), len(program.states)
    between = {*passed(plan.recompute), *passed(plan.adjoint)} - {*plan.kept}
    return 2 * states + len(between) + len(program.params) + 3, states + len(plan.kept)


class _Emitter:
    """Source text under construction for one kernel."""

    def __init__(self, program: Program, mode: Mode) -> None:
        self.program, self.mode, self.graph = program, mode, program.graph
        self.plan = Plan(program)
        self.states = range(len(program.states))
        self.lines: list[str] = []
        self.scratch: list[str] = []
        self.numbers: dict[str, int] = {}
        self.depth = 0

    def forward(self) -> str:
        program, states, stages = self.program, self.states, self.plan.forward
        between = passed(stages)
        self._open_entry("forward", ["y"], ["last"], {"work": f"{len(states) + len(between)}"})
        self._rows([*(f"v{k}" for k in states), *(f"r{node}" for node in between)], "work")
        self._start_states("v")
        self._open("for t in range(steps):")
        self("xs = fm.at(x, t * count + o)")
        self._open_result("y")
        for stage in stages:
            self._open_stage(stage, "v")
            if stage is stages[-1]:
                self(self._put("ys", STORE[self.mode.storage].format(f"n{program.y}")))
                self(*(self._put(f"v{k}", f"n{node}") for k, node in enumerate(program.new_states)))
            self._close()
        self._send_result("y")
        self._close()
        if self.mode.last:
            self._each(self._put(f"last_{k}", self._get(f"v{k}"), "o + i") for k in states)
        return self._finish()

    def backward(self) -> str:
        program, mode, states, plan = self.program, self.mode, self.states, self.plan
        sums = [j for j, own in enumerate(mode.per_neuron) if not own and program.g_params[j] is not None]
        own = [j for j, own in enumerate(mode.per_neuron) if own]
        between = sorted({*passed(plan.recompute), *passed(plan.adjoint)} - {*plan.kept})
        past = f"(steps + 1) * {len(states)} + steps * {len(plan.kept)}"
        arrays = ["g_last"] * mode.last + ["g_state"] * mode.given + ["g_param"]
        scratch = {"past": past, "work": f"{len(states) + len(between)}"}
        self._open_entry("backward", ["gy", "gx"], arrays, scratch, sums)
        self._rows([*(f"g{k}" for k in states), *(f"r{node}" for node in between)], "work")
        if states:
            self._recompute()
        self(*(f"a{j} = fm.at(g_param_{j}, o)" for j in own))
        self._each([self._put(f"g{k}", self._get(f"g_last_{k}", "o + i") if mode.last else "ZERO") for k in states])
        self._each([self._put(f"a{j}", "ZERO") for j in own])
        self._adjoint(sums)
        if mode.given:
            self._each(self._put(f"g_state_{k}", self._get(f"g{k}"), "o + i") for k in states)
        return self._finish(sums)

    def _recompute(self) -> None:
        states, stages = self.states, self.plan.recompute
        self._rows([f"w{k}" for k in states], "past")
        self._start_states("w")
        self._open(f"for t in range({'steps' if self.plan.kept else 'steps - 1'}):")
        self("xs = fm.at(x, t * count + o)")
        self._past_rows("v", "t")
        self._past_rows("w", "t + 1")
        self._kept_rows()
        for stage in stages:
            self._open_stage(stage, "v")
            if stage is stages[-1]:
                self(*(self._put(f"w{k}", f"n{node}") for k, node in enumerate(self.program.new_states)))
            self._close()
        self._close()

    def _adjoint(self, sums: Sequence[int]) -> None:
        program, stages = self.program, self.plan.adjoint
        self._open("for s in range(steps):")
        self("t = steps - 1 - s")
        self(*(f"{name}s = fm.at({name}, t * count + o)" for name in ("x", "gy")))
        self._open_result("gx")
        self._past_rows("v", "t")
        self._kept_rows()
        self(*(f"s{j} = ZERO" for j in sums))
        for stage in stages:
            self._open_stage(stage, "v", adjoint=True)
            if stage is stages[-1]:
                self(self._put("gxs", STORE[self.mode.storage].format(f"n{program.gx}")))
                new = ["ZERO" if g is None else f"n{g}" for g in program.g_states]
                self(*(self._put(f"g{k}", value) for k, value in enumerate(new)))
                for j, g in enumerate(program.g_params):
                    if g is not None:
                        more = f"{self._get(f'a{j}')} + n{g}"
                        self(f"s{j} = fm.add_freely(s{j}, n{g})" if j in sums else self._put(f"a{j}", more))
            self._close()
        self._send_result("gx")
        self(*(f"total{j} += s{j}" for j in sums))
        self._close()

    def _open_result(self, name: str) -> None:
        """The row of a step's results: their place in memory, or one in cache that is sent there."""
        self(f"{name}t = fm.at({name}, t * count + o)")
        self(f"{name}s = fm.at(line if past_cache else {name}t, 0)")

    def _send_result(self, name: str) -> None:
        self._open("if past_cache:")
        self(f"fs.send({name}t, line, n)")
        self._close()

    def _open_entry(
        self, name: str, outer: list[str], inner: list[str], scratch: dict[str, str], sums: Iterable[int] = ()
    ) -> None:
        """Everything before the work on one block: numbers, the arrays, the loops over shares and blocks."""
        program, mode = self.program, self.mode
        self._head(name)
        self("steps, count, shares, part, block, past_cache = a[0], a[1], a[2], a[3], a[4], a[6] != 0")
        arrays = [("numbers", mode.wide), *((array, mode.storage) for array in ("x", *outer))]
        arrays += [(f"state_{k}", mode.wide) for k in self.states if mode.given]
        arrays += [(f"param_{j}", mode.wide) for j in range(len(program.params))]
        for group in inner:
            members = range(len(program.params)) if group == "g_param" else self.states
            summed = group == "g_param" and not all(mode.per_neuron)
            arrays += [
                (f"{group}_{m}", "float64" if summed and not mode.per_neuron[m] else mode.wide)
                for m in members
                if group != "last" or mode.last
            ]
        for place, (array, kind) in enumerate(arrays, start=_HEAD):
            self(f"{array} = fm.pointer(a[{place}], np.{kind}(0))")
        self(*(f"n{node} = numbers[{k}]" for k, node in enumerate(program.constants)))
        self(*(f"initial_{k} = numbers[{len(program.constants) + k}]" for k in self.states))
        self.scratch = [*scratch, "line"]
        for array, rows in [*scratch.items(), ("line", "1")]:
            kind = mode.storage if array == "line" else mode.wide
            self(f"{array}_memory = np.empty(({rows}) * block + 1, np.{kind})")
            self(f"{array} = fm.pointer(np.int64({array}_memory.ctypes.data), np.{kind}(0))")
        self(*(f"n{program.params[j]} = param_{j}[0]" for j, own in enumerate(mode.per_neuron) if not own))
        self("share = fm.draw(fm.at(a, 5))")
        self._open("while share < shares:")
        self(*(f"total{j} = 0.0" for j in sums))
        self("o = share * part", "end = min(o + part, count)")
        self._open("while o < end:")
        self("n = min(block, end - o)")
        self(*(f"p{j} = fm.at(param_{j}, o)" for j, own in enumerate(mode.per_neuron) if own))

    def _finish(self, sums: Iterable[int] = ()) -> str:
        """Close the loops. Scratch arrays are touched at the very end, since only pointers to them were in use so far."""
        self("o += block")
        self._close()
        self(*(f"g_param_{j}[share] = total{j}" for j in sums))
        self("share = fm.draw(fm.at(a, 5))")
        self._close()
        self("fs.settle()", *(f"{array}_memory[0] = 0" for array in self.scratch))
        return "\n".join(self.lines) + "\n"

    def _head(self, name: str) -> None:
        wide = self.mode.wide
        self(f'"""Fused {name} scan, program {self.program.structure}."""', "", "import math", "", "import numpy as np")
        self("from numba import cfunc", "", "from spikeformers.kernels.scan.cpu import math as fm")
        self("from spikeformers.kernels.scan.cpu import stream as fs")
        self("from spikeformers.kernels.scan.cpu import trigonometry as ft", "")
        self(f"ZERO, ONE = np.{wide}(0.0), np.{wide}(1.0)")
        self(*(f"n{node} = np.{wide}({_literal(value)})" for node, value in self.program.literals.items()))
        self("", "", '@cfunc("void(CPointer(int64))", error_model="numpy", fastmath=False, cache=True)')
        self._open("def entry(a):")

    def _start_states(self, rows: str) -> None:
        given = self.mode.given
        values = [self._get(f"state_{k}", "o + i") if given else f"initial_{k}" for k in self.states]
        self._each(self._put(f"{rows}{k}", value) for k, value in enumerate(values))

    def _open_stage(self, stage: Stage, states: str, adjoint: bool = False) -> None:
        """A loop over neurons: load what a step reads, then the operations of the stage, then store what is kept."""
        program, mode = self.program, self.mode
        self._open("for i in range(n):")
        reads = {program.x: "xs"} | {node: f"{states}{k}" for k, node in enumerate(program.states)}
        reads |= {node: f"p{j}" for j, node in enumerate(program.params) if mode.per_neuron[j]}
        if adjoint:
            reads |= {program.gy: "gys"} | {node: f"g{k}" for k, node in enumerate(program.g_new)}
            reads |= {node: f"r{node}" for node in self.plan.kept}
        for node, row in (reads | {node: f"r{node}" for node in stage.loads}).items():
            stored = LOAD[mode.storage] if row in ("xs", "gys") else "{0}"
            self(f"n{node} = {stored.format(self._get(row))}")
        for node in stage.nodes:
            entry = self.graph.nodes[node]
            self(f"n{node} = {EXPRESSIONS[mode.wide][entry.op].format(*(f'n{a}' for a in entry.args))}")
        self(*(self._put(f"r{node}", f"n{node}") for node in stage.stores))

    def _get(self, row: str, place: str = "i") -> str:
        return f"fm.get({row}, {place}, {self._number(row)})"

    def _put(self, row: str, value: str, place: str = "i") -> str:
        return f"fm.put({row}, {place}, {value}, {self._number(row)})"

    def _number(self, row: str) -> int:
        """What tells rows apart; new states (w) are the old ones (v) of the next step."""
        return self.numbers.setdefault(row.replace("w", "v"), len(self.numbers))

    def _rows(self, names: Iterable[str], array: str) -> None:
        """Pointers to the first rows of an array, one for each name."""
        self(*(f"{name} = fm.at({array}, {k} * block)" for k, name in enumerate(names)))

    def _past_rows(self, name: str, step: str) -> None:
        self(*(f"{name}{k} = fm.at(past, (({step}) * {len(self.states)} + {k}) * block)" for k in self.states))

    def _kept_rows(self) -> None:
        kept, states = self.plan.kept, len(self.states)
        start = f"(steps + 1) * {states} + t * {len(kept)}"
        self(*(f"r{node} = fm.at(past, ({start} + {k}) * block)" for k, node in enumerate(kept)))

    def _each(self, lines: Iterable[str]) -> None:
        lines = list(lines)
        if lines:
            self._open("for i in range(n):")
            self(*lines)
            self._close()

    def _open(self, line: str) -> None:
        self(line)
        self.depth += 1

    def _close(self, levels: int = 1) -> None:
        self.depth -= levels

    def __call__(self, *lines: str) -> None:
        self.lines += ["    " * self.depth + line for line in lines]


def _literal(number: float) -> str:
    return repr(number) if math.isfinite(number) else f"math.{number}".replace("math.-", "-math.")

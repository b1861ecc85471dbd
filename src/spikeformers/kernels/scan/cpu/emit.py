"""From a `Program` to Numba source.

An emitted module has one C function, `entry`. It draws shares of the neurons (see `kernels.threads`) and scans each
share in blocks: over blocks, inside over T, innermost over the neurons of a block. The innermost loop holds the recorded
operations one to a line and becomes vector code. The forward kernel saves nothing. The backward kernel first recomputes
the states of a block into a buffer that stays in cache, then runs the adjoint from the last step to the first.

The argument of `entry` points at 64-bit integers: steps, neurons, shares, neurons of a share, neurons of a block, the
counter of drawn shares, then the addresses of the arrays in the order that `forward_source` and `backward_source` name.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from spikeformers.kernels.scan.program import Program

_EXPRESSIONS = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "gt": "{0} > {1}",
    "ge": "{0} >= {1}",
    "eq": "{0} == {1}",
    "ne": "{0} != {1}",
    "and": "{0} & {1}",
    "or": "{0} | {1}",
    "not": "not {0}",
    "where": "{1} if {0} else {2}",
    "spike": "ONE if {0} >= ZERO else (ZERO if {0} < ZERO else {0})",
    "spike_strict": "ONE if {0} > ZERO else (ZERO if {0} <= ZERO else {0})",
    "detach": "{0}",
    "floor": "fm.floor({0})",
    "round": "fm.round_half_even({0})",
    "sqrt": "fm.sqrt({0})",
    "abs": "fm.absolute({0})",
    "sin": "math.sin({0})",
    "cos": "math.cos({0})",
    "atan": "math.atan({0})",
    "erf": "math.erf({0})",
}
_BY_WIDTH = {
    "float32": {
        "exp": "fm.exp32({0})",
        "log": "fm.log32({0})",
        "tanh": "fm.tanh32({0})",
        "sigmoid": "fm.sigmoid32({0})",
    },
    "float64": {
        "exp": "math.exp({0})",
        "log": "math.log({0})",
        "tanh": "math.tanh({0})",
        "sigmoid": "fm.sigmoid64({0})",
    },
}
_LOAD = {"float32": "{0}", "float64": "{0}", "uint16": "fm.from_bfloat16({0})"}
_STORE = {"float32": "{0}", "float64": "{0}", "uint16": "fm.to_bfloat16({0})"}
_HEAD = 6


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
    """Source of the forward kernel over x, y, [state_k], [param_j], [last_k]."""
    return _Emitter(program, mode).forward()


def backward_source(program: Program, mode: Mode) -> str:
    """Source of the backward kernel over x, gy, gx, [state_k], [param_j], [g_last_k], [g_state_k], [g_param_j].

    `g_param_j` receives one value per neuron, or, of a scalar parameter, one float64 sum per share.
    """
    return _Emitter(program, mode).backward()


class _Emitter:
    """Source text under construction for one kernel."""

    def __init__(self, program: Program, mode: Mode) -> None:
        self.program, self.mode, self.graph = program, mode, program.graph
        self.states = range(len(program.states))
        self.lines: list[str] = []
        self.scratch: list[str] = []
        self.depth = 0

    def forward(self) -> str:
        program, states = self.program, self.states
        outputs = [program.y, *program.new_states]
        self._open_entry("forward", ["y"], ["last"], outputs, {"work": (str(len(states)), self.mode.wide)})
        self._rows("v", "work", (f"{k} * block" for k in states))
        self._start_states("v")
        self._open("for t in range(steps):")
        self._rows("xs ys", "x y", ["t * count + o"] * 2)
        self._open("for i in range(n):")
        self._step(outputs, states_from="v")
        self(f"ys[i] = {_STORE[self.mode.storage].format(f'n{program.y}')}")
        self(*(f"v{k}[i] = n{node}" for k, node in enumerate(program.new_states)))
        self._close(2)
        if self.mode.last:
            self._each(f"last_{k}[o + i] = v{k}[i]" for k in states)
        return self._finish()

    def backward(self) -> str:
        program, mode, states = self.program, self.mode, self.states
        sums = [j for j, own in enumerate(mode.per_neuron) if not own and program.g_params[j] is not None]
        gradients = [g for g in (program.gx, *program.g_states, *program.g_params) if g is not None]
        scratch = {
            "past": (f"steps * {len(states)}", mode.wide),
            "work": (str(len(states) + len(sums)), mode.wide),
            "total": (str(len(sums)), "float64"),
        }
        arrays = ["g_last"] * mode.last + ["g_state"] * mode.given + ["g_param"]
        self._open_entry("backward", ["gy", "gx"], arrays, [*program.new_states, *gradients], scratch, sums)
        self._recompute()
        self._rows("g", "work", (f"{k} * block" for k in states))
        own = [j for j, own in enumerate(mode.per_neuron) if own]
        for row, j in enumerate(sums):
            self(f"a{j} = fm.at(work, {len(states) + row} * block)")
        self(*(f"a{j} = fm.at(g_param_{j}, o)" for j in own))
        self._each([f"g{k}[i] = {f'g_last_{k}[o + i]' if mode.last else 'ZERO'}" for k in states])
        self._each([f"a{j}[i] = ZERO" for j in (*sums, *own)])
        self._adjoint(gradients)
        self._each(f"total[{row} * block + i] += a{j}[i]" for row, j in enumerate(sums))
        if mode.given:
            self._each(f"g_state_{k}[o + i] = g{k}[i]" for k in states)
        return self._finish(sums)

    def _recompute(self) -> None:
        states = self.states
        if not states:
            return
        self._rows("w", "past", (f"{k} * block" for k in states))
        self._start_states("w")
        self._open("for t in range(steps - 1):")
        self("xs = fm.at(x, t * count + o)")
        self._rows("v", "past", (f"(t * {len(states)} + {k}) * block" for k in states))
        self._rows("w", "past", (f"((t + 1) * {len(states)} + {k}) * block" for k in states))
        self._open("for i in range(n):")
        self._step(self.program.new_states, states_from="v")
        self(*(f"w{k}[i] = n{node}" for k, node in enumerate(self.program.new_states)))
        self._close(2)

    def _adjoint(self, gradients: list[int]) -> None:
        program, states = self.program, self.states
        self._open("for s in range(steps):")
        self("t = steps - 1 - s")
        self._rows("xs gys gxs", "x gy gx", ["t * count + o"] * 3)
        self._rows("v", "past", (f"(t * {len(states)} + {k}) * block" for k in states))
        self._open("for i in range(n):")
        self(f"n{program.gy} = {_LOAD[self.mode.storage].format('gys[i]')}")
        self(*(f"n{node} = g{k}[i]" for k, node in enumerate(program.g_new)))
        self._step(gradients, states_from="v", given=(program.gy, *program.g_new))
        self(f"gxs[i] = {_STORE[self.mode.storage].format(f'n{program.gx}')}")
        self(*(f"g{k}[i] = {'ZERO' if g is None else f'n{g}'}" for k, g in enumerate(program.g_states)))
        self(*(f"a{j}[i] += n{g}" for j, g in enumerate(program.g_params) if g is not None))
        self._close(2)

    def _open_entry(
        self,
        name: str,
        outer: list[str],
        inner: list[str],
        outputs: list[int],
        scratch: dict[str, tuple[str, str]],
        sums: Iterable[int] = (),
    ) -> None:
        """Everything before the work on one block: constants, the arrays, the loops over shares and blocks."""
        program, mode = self.program, self.mode
        self._constants(name, outputs)
        self("", "", '@cfunc("void(CPointer(int64))", error_model="numpy", fastmath=False, cache=True)')
        self._open("def entry(a):")
        self("steps, count, shares, part, block = a[0], a[1], a[2], a[3], a[4]")
        arrays = [(array, mode.storage) for array in ("x", *outer)]
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
        self.scratch = list(scratch)
        for array, (rows, kind) in scratch.items():
            self(f"{array}_memory = np.empty(({rows}) * block + 1, np.{kind})")
            self(f"{array} = fm.pointer(np.int64({array}_memory.ctypes.data), np.{kind}(0))")
        self(*(f"n{program.params[j]} = param_{j}[0]" for j, own in enumerate(mode.per_neuron) if not own))
        self("share = fm.draw(fm.at(a, 5))")
        self._open("while share < shares:")
        for row, _ in enumerate(sums):
            self._open("for i in range(block):")
            self(f"total[{row} * block + i] = 0.0")
            self._close()
        self("o = share * part", "end = min(o + part, count)")
        self._open("while o < end:")
        self("n = min(block, end - o)")
        self(*(f"p{j} = fm.at(param_{j}, o)" for j, own in enumerate(mode.per_neuron) if own))

    def _finish(self, sums: Iterable[int] = ()) -> str:
        """Close the loops. Scratch arrays are touched at the very end, since only pointers to them were in use so far."""
        self("o += block")
        self._close()
        for row, j in enumerate(sums):
            self("sum = 0.0")
            self._open("for i in range(block):")
            self(f"sum += total[{row} * block + i]")
            self._close()
            self(f"g_param_{j}[share] = sum")
        self("share = fm.draw(fm.at(a, 5))")
        self._close()
        self(*(f"{array}_memory[0] = ZERO" for array in self.scratch))
        return "\n".join(self.lines) + "\n"

    def _constants(self, name: str, outputs: list[int]) -> None:
        wide = self.mode.wide
        self(f'"""Fused {name} scan of {_comment(self.program.key)}."""', "", "import math", "", "import numpy as np")
        self("from numba import cfunc", "", "from spikeformers.kernels.scan.cpu import math as fm", "")
        self(f"ZERO, ONE = np.{wide}(0.0), np.{wide}(1.0)")
        for node in self.graph.live(outputs):
            if self.graph.nodes[node].op == "const":
                self(f"n{node} = np.{wide}({_number(self.graph.nodes[node].value)})")
        self(*(f"initial_{k} = np.{wide}({_number(value)})" for k, value in enumerate(self.program.initial)))

    def _start_states(self, rows: str) -> None:
        self._each(f"{rows}{k}[i] = {f'state_{k}[o + i]' if self.mode.given else f'initial_{k}'}" for k in self.states)

    def _step(self, outputs: Iterable[int], states_from: str, given: Iterable[int] = ()) -> None:
        """Load what one neuron's step reads, then the operations behind `outputs`."""
        program = self.program
        self(f"n{program.x} = {_LOAD[self.mode.storage].format('xs[i]')}")
        self(*(f"n{node} = {states_from}{k}[i]" for k, node in enumerate(program.states)))
        self(*(f"n{node} = p{j}[i]" for j, node in enumerate(program.params) if self.mode.per_neuron[j]))
        leaves = {*program.leaves, *given}
        expressions = _EXPRESSIONS | _BY_WIDTH[self.mode.wide]
        for node in self.graph.live(outputs, leaves):
            entry = self.graph.nodes[node]
            if node not in leaves and entry.op != "const":
                self(f"n{node} = {expressions[entry.op].format(*(f'n{a}' for a in entry.args))}")

    def _rows(self, names: str, arrays: str, offsets: Iterable[str]) -> None:
        """Pointers `names` (one name: numbered) into `arrays` (one array: the same) at `offsets`."""
        many = names.split()
        for k, offset in enumerate(offsets):
            name, array = (f"{names}{k}", arrays) if len(many) == 1 else (many[k], arrays.split()[k])
            self(f"{name} = fm.at({array}, {offset})")

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


def _number(value: float | str | None) -> str:
    number = float(value if value is not None else 0.0)
    if math.isnan(number):
        return "math.nan"
    if math.isinf(number):
        return "math.inf" if number > 0 else "-math.inf"
    return repr(number)


def _comment(key: str) -> str:
    return key.replace("\\", "/").replace('"', "'")

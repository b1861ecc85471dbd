"""From a `Program` to Numba source.

An emitted module has a function, `forward` or `backward`, that scans the neurons `lo … hi` given as arrays, and a C
entry point, `entry`, that draws shares of all neurons and calls the function on each (see `kernels.threads`).

A kernel runs over blocks of neurons, inside over T, innermost over the neurons of the block; the innermost loop holds
the recorded operations one to a line and becomes vector code. The forward kernel saves nothing. The backward kernel
first recomputes the states of a block into a buffer that stays in cache, then runs the adjoint from the last step to
the first.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from spikeformers.kernels.scan.graph import Graph
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
    "exp": "fm.exp({0})",
    "log": "fm.log({0})",
    "tanh": "fm.tanh({0})",
    "sigmoid": "fm.sigmoid({0})",
    "sin": "math.sin({0})",
    "cos": "math.cos({0})",
    "atan": "math.atan({0})",
    "erf": "math.erf({0})",
}
ENTRY_HEAD = 6
"""How many integers precede the addresses of arrays in the argument of an entry point."""

_LOAD = {"float32": "{0}", "float64": "{0}", "uint16": "fm.from_bfloat16({0})"}
_STORE = {"float32": "{0}", "float64": "{0}", "uint16": "fm.to_bfloat16({0})"}


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


class _Lines:
    """Source text under construction."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self.depth = 0

    def __call__(self, *lines: str) -> None:
        self.text += ["    " * self.depth + line for line in lines]

    def open(self, line: str) -> None:
        self(line)
        self.depth += 1

    def close(self, levels: int = 1) -> None:
        self.depth -= levels


def forward_source(program: Program, mode: Mode) -> str:
    """Source of `forward(x, y, [state_k], [param_j], [last_k], lo, hi, block, share)`."""
    count = range(len(program.states))
    arrays = [("x", 2, mode.storage), ("y", 2, mode.storage)]
    arrays += [(f"state_{k}", 1, mode.wide) for k in count if mode.given]
    arrays += [(f"param_{j}", 1, mode.wide) for j in range(len(program.params))]
    arrays += [(f"last_{k}", 1, mode.wide) for k in count if mode.last]
    out = _Lines()
    _head(out, program, mode, "forward", arrays, [program.y, *program.new_states])
    out(f"work = np.empty(({max(1, len(count))}, block), np.{mode.wide})")
    _scalar_params(out, program, mode)
    out.open("for o in range(lo, hi, block):")
    out("n = min(block, hi - o)")
    _neuron_params(out, program, mode)
    out(*(f"v{k} = work[{k}, :n]" for k in count))
    _initialize(out, program, mode, [f"v{k}" for k in count])
    out.open("for t in range(steps):")
    out("xs = x[t, o : o + n]", "ys = y[t, o : o + n]")
    out.open("for i in range(n):")
    _load_leaves(out, program, mode, [f"v{k}" for k in count])
    _body(out, program.graph, [program.y, *program.new_states], program.leaves)
    out(f"ys[i] = {_STORE[mode.storage].format(_name(program.graph, program.y))}")
    out(*(f"v{k}[i] = {_name(program.graph, node)}" for k, node in enumerate(program.new_states)))
    out.close(2)
    if mode.last:
        _copy_rows(out, [(f"last_{k}", f"v{k}[i]") for k in count])
    out.close(2)
    _entry(out, mode, "forward", arrays, {f"param_{j}" for j, own in enumerate(mode.per_neuron) if not own})
    return "\n".join(out.text) + "\n"


def backward_source(program: Program, mode: Mode) -> str:
    """Source of `backward(x, gy, gx, [state_k], [param_j], [g_last_k], [g_state_k], [g_param_j], lo, hi, block, share)`.

    `g_param_j` receives one value per neuron, or, of a scalar parameter, one float64 sum per share of the work.
    """
    count, params = range(len(program.states)), range(len(program.params))
    arrays = [("x", 2, mode.storage), ("gy", 2, mode.storage), ("gx", 2, mode.storage)]
    arrays += [(f"state_{k}", 1, mode.wide) for k in count if mode.given]
    arrays += [(f"param_{j}", 1, mode.wide) for j in params]
    arrays += [(f"g_last_{k}", 1, mode.wide) for k in count if mode.last]
    arrays += [(f"g_state_{k}", 1, mode.wide) for k in count if mode.given]
    arrays += [(f"g_param_{j}", 1, mode.wide if mode.per_neuron[j] else "float64") for j in params]
    scalars = [j for j in params if not mode.per_neuron[j] and program.g_params[j] is not None]
    out = _Lines()
    _head(out, program, mode, "backward", arrays, [*program.new_states, *_gradients(program)])
    out(f"past = np.empty((max(1, steps * {len(count)}), block), np.{mode.wide})")
    out(f"work = np.empty(({max(1, len(count) + len(scalars))}, block), np.{mode.wide})")
    out(f"total = np.zeros(({max(1, len(scalars))}, block), np.float64)")
    _scalar_params(out, program, mode)
    out.open("for o in range(lo, hi, block):")
    out("n = min(block, hi - o)")
    _neuron_params(out, program, mode)
    _recompute(out, program, mode)
    _adjoint(out, program, mode, scalars)
    if mode.given:
        _copy_rows(out, [(f"g_state_{k}", f"g{k}[i]") for k in count])
    out.close()
    for row, j in enumerate(scalars):
        out(f"g_param_{j}[share] = total[{row}].sum()")
    out.close()
    shared = {f"{kind}_{j}" for kind in ("param", "g_param") for j, own in enumerate(mode.per_neuron) if not own}
    _entry(out, mode, "backward", arrays, shared)
    return "\n".join(out.text) + "\n"


def _gradients(program: Program) -> list[int]:
    return [g for g in (program.gx, *program.g_states, *program.g_params) if g is not None]


def _recompute(out: _Lines, program: Program, mode: Mode) -> None:
    count = range(len(program.states))
    if not count:
        return
    out(*(f"w{k} = past[{k}, :n]" for k in count))
    _initialize(out, program, mode, [f"w{k}" for k in count])
    out.open("for t in range(steps - 1):")
    out("xs = x[t, o : o + n]")
    out(*(f"v{k} = past[t * {len(count)} + {k}, :n]" for k in count))
    out(*(f"w{k} = past[(t + 1) * {len(count)} + {k}, :n]" for k in count))
    out.open("for i in range(n):")
    _load_leaves(out, program, mode, [f"v{k}" for k in count])
    _body(out, program.graph, program.new_states, program.leaves)
    out(*(f"w{k}[i] = {_name(program.graph, node)}" for k, node in enumerate(program.new_states)))
    out.close(2)


def _adjoint(out: _Lines, program: Program, mode: Mode, scalars: list[int]) -> None:
    count = range(len(program.states))
    out(*(f"g{k} = work[{k}, :n]" for k in count))
    rows = {j: f"work[{len(count) + row}, :n]" for row, j in enumerate(scalars)}
    rows |= {j: f"g_param_{j}[o : o + n]" for j, own in enumerate(mode.per_neuron) if own}
    out(*(f"a{j} = {row}" for j, row in rows.items()))
    if mode.last:
        out(*(f"e{k} = g_last_{k}[o : o + n]" for k in count))
    starts = [f"g{k}[i] = {f'e{k}[i]' if mode.last else 'ZERO'}" for k in count] + [f"a{j}[i] = ZERO" for j in rows]
    _each(out, starts)
    out.open("for t in range(steps - 1, -1, -1):")
    out("xs = x[t, o : o + n]", "gys = gy[t, o : o + n]", "gxs = gx[t, o : o + n]")
    out(*(f"v{k} = past[t * {len(count)} + {k}, :n]" for k in count))
    out.open("for i in range(n):")
    _load_leaves(out, program, mode, [f"v{k}" for k in count])
    out(f"n{program.gy} = {_LOAD[mode.storage].format('gys[i]')}")
    out(*(f"n{node} = g{k}[i]" for k, node in enumerate(program.g_new)))
    graph = program.graph
    _body(out, graph, _gradients(program), (*program.leaves, program.gy, *program.g_new))
    out(f"gxs[i] = {_STORE[mode.storage].format(_name(graph, program.gx))}")
    for k, node in enumerate(program.g_states):
        out(f"g{k}[i] = {'ZERO' if node is None else _name(graph, node)}")
    for j in rows:
        node = program.g_params[j]
        if node is not None:
            out(f"a{j}[i] += {_name(graph, node)}")
    out.close(2)
    _each(out, [f"total[{row}, i] += a{j}[i]" for row, j in enumerate(scalars)])


def _head(
    out: _Lines, program: Program, mode: Mode, name: str, arrays: list[tuple[str, int, str]], outputs: list[int]
) -> None:
    out(
        f'"""Fused {name} scan of {_comment(program.key)}."""',
        "",
        "import math",
        "",
        "import numpy as np",
        "from numba import carray, cfunc, njit",
        "",
        "from spikeformers.kernels.scan.cpu import math as fm",
        "",
        f"ZERO = np.{mode.wide}(0.0)",
        f"ONE = np.{mode.wide}(1.0)",
    )
    graph = program.graph
    for node in graph.live([*outputs, program.y]):
        if graph.nodes[node].op == "const":
            out(f"n{node} = np.{mode.wide}({_number(graph.nodes[node].value)})")
    for k, value in enumerate(program.initial):
        out(f"initial_{k} = np.{mode.wide}({_number(value)})")
    out("", "", '@njit(error_model="numpy", fastmath=False)')
    out.open(f"def {name}({', '.join([*(n for n, _, _ in arrays), 'lo', 'hi', 'block', 'share'])}):")
    out("steps = x.shape[0]")


def _entry(out: _Lines, mode: Mode, name: str, arrays: list[tuple[str, int, str]], scalars: set[str]) -> None:
    """The C entry point; its argument points at steps, neurons, shares, neurons a share, block, drawn shares, arrays."""
    out("", "", '@cfunc("void(CPointer(int64))", error_model="numpy", fastmath=False, cache=True)')
    out.open("def entry(arguments):")
    out(f"a = carray(arguments, ({len(arrays) + ENTRY_HEAD},))")
    out("steps, count, shares, part, block = a[0], a[1], a[2], a[3], a[4]")
    for place, (array, rank, kind) in enumerate(arrays):
        shape = "(steps, count)" if rank == 2 else "(1,)" if array in scalars else "(count,)"
        shape = "(shares,)" if array in scalars and array.startswith("g_param") else shape
        out(f"{array} = carray(fm.array_at(a[{place + ENTRY_HEAD}], np.{kind}(0)), {shape})")
    out("share = fm.draw(a.ctypes.data + 40)")
    out.open("while share < shares:")
    names = ", ".join(array for array, _, _ in arrays)
    out(f"{name}({names}, share * part, min(count, share * part + part), block, share)")
    out("share = fm.draw(a.ctypes.data + 40)")
    out.close(2)


def _scalar_params(out: _Lines, program: Program, mode: Mode) -> None:
    for j, own in enumerate(mode.per_neuron):
        if not own:
            out(f"n{program.params[j]} = param_{j}[0]")


def _neuron_params(out: _Lines, program: Program, mode: Mode) -> None:
    out(*(f"p{j} = param_{j}[o : o + n]" for j, own in enumerate(mode.per_neuron) if own))


def _initialize(out: _Lines, program: Program, mode: Mode, rows: list[str]) -> None:
    if mode.given:
        out(*(f"z{k} = state_{k}[o : o + n]" for k in range(len(rows))))
    _each(out, [f"{row}[i] = {f'z{k}[i]' if mode.given else f'initial_{k}'}" for k, row in enumerate(rows)])


def _load_leaves(out: _Lines, program: Program, mode: Mode, rows: list[str]) -> None:
    out(f"n{program.x} = {_LOAD[mode.storage].format('xs[i]')}")
    out(*(f"n{node} = {row}[i]" for node, row in zip(program.states, rows, strict=True)))
    out(*(f"n{node} = p{j}[i]" for j, node in enumerate(program.params) if mode.per_neuron[j]))


def _body(out: _Lines, graph: Graph, outputs: Iterable[int], leaves: Iterable[int]) -> None:
    leaves = set(leaves)
    for node in graph.live(outputs, leaves):
        entry = graph.nodes[node]
        if node not in leaves and entry.op != "const":
            out(f"n{node} = {_EXPRESSIONS[entry.op].format(*(_name(graph, a) for a in entry.args))}")


def _copy_rows(out: _Lines, rows: list[tuple[str, str]]) -> None:
    out(*(f"r{k} = {target}[o : o + n]" for k, (target, _) in enumerate(rows)))
    _each(out, [f"r{k}[i] = {value}" for k, (_, value) in enumerate(rows)])


def _each(out: _Lines, lines: list[str]) -> None:
    if lines:
        out.open("for i in range(n):")
        out(*lines)
        out.close()


def _name(graph: Graph, node: int) -> str:
    return f"n{node}"


def _number(value: float | str | None) -> str:
    number = float(value if value is not None else 0.0)
    if math.isnan(number):
        return "math.nan"
    if math.isinf(number):
        return "math.inf" if number > 0 else "-math.inf"
    return repr(number)


def _comment(key: str) -> str:
    return key.replace("\\", "/").replace('"', "'")

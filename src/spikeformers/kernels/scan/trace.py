"""Recording a neuron's step as a `Graph`, and refusing definitions that cannot become kernels.

`TraceOps` is handed to `step` in place of `TorchOps`, with a `Var` for each symbol. What the step computes is recorded
operation by operation. Everything that works on tensors but has no place in a kernel is refused, with the line named.
"""

import inspect
import linecache
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.graph import BOOLEAN, Graph

_HERE = str(Path(__file__).parent)
_FUNCTIONS = "write it with + - * /, comparisons and the functions of ops"


class Refused(Exception):
    """A step does what a kernel cannot; becomes a `ConfigError` that names the line."""


class Var:
    """A traced value: records what is done to it. Rounds as tensors do: c / v is the reciprocal of v times c."""

    __slots__ = ("graph", "node")
    __array_ufunc__ = None
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, graph: Graph, node: int) -> None:
        self.graph = graph
        self.node = node

    @property
    def boolean(self) -> bool:
        """Whether this is the result of a comparison."""
        return self.graph.nodes[self.node].op in BOOLEAN

    def number(self, other: Any) -> int:
        """The node of a number that meets this one in an operation."""
        if isinstance(other, Var):
            if other.boolean:
                raise Refused("a comparison is used as a number, which has no gradient; use ops.spike or ops.where")
            return other.node
        if isinstance(other, bool) or not isinstance(other, (int, float)):
            raise Refused(f"a value of type {type(other).__name__} meets a traced one; {_FUNCTIONS}")
        return self.graph.const(other)

    def _binary(self, op: str, left: Any, right: Any) -> "Var":
        return Var(self.graph, self.graph.add(op, self.number(left), self.number(right)))

    def __add__(self, other: Any) -> "Var":
        return self._binary("add", self, other)

    def __radd__(self, other: Any) -> "Var":
        return self._binary("add", self, other)

    def __sub__(self, other: Any) -> "Var":
        return self._binary("sub", self, other)

    def __rsub__(self, other: Any) -> "Var":
        return self._binary("sub", other, self)

    def __mul__(self, other: Any) -> "Var":
        return self._binary("mul", self, other)

    def __rmul__(self, other: Any) -> "Var":
        return self._binary("mul", self, other)

    def __truediv__(self, other: Any) -> "Var":
        return self._binary("div", self, other)

    def __rtruediv__(self, other: Any) -> "Var":
        return self._binary("mul", self._binary("div", 1.0, self), other)

    def __neg__(self) -> "Var":
        return Var(self.graph, self.graph.add("neg", self.number(self)))

    def __abs__(self) -> "Var":
        return Var(self.graph, self.graph.add("abs", self.number(self)))

    def __pow__(self, power: Any) -> "Var":
        if power == 2:
            return self * self
        if power == 3:
            return self * self * self
        raise Refused(f"power {power!r}: only ** 2 and ** 3 are known; use ops.exp, ops.log or ops.sqrt")

    def __lt__(self, other: Any) -> "Var":
        return self._binary("lt", self, other)

    def __le__(self, other: Any) -> "Var":
        return self._binary("le", self, other)

    def __gt__(self, other: Any) -> "Var":
        return self._binary("gt", self, other)

    def __ge__(self, other: Any) -> "Var":
        return self._binary("ge", self, other)

    def __eq__(self, other: Any) -> "Var":  # type: ignore[override]
        return self._binary("eq", self, other)

    def __ne__(self, other: Any) -> "Var":  # type: ignore[override]
        return self._binary("ne", self, other)

    def _logic(self, op: str, *others: Any) -> "Var":
        if not all(isinstance(o, Var) and o.boolean for o in (self, *others)):
            raise Refused("& | ~ join comparisons; these are numbers")
        return Var(self.graph, self.graph.add(op, self.node, *(o.node for o in others)))

    def __and__(self, other: Any) -> "Var":
        return self._logic("and", other)

    def __or__(self, other: Any) -> "Var":
        return self._logic("or", other)

    def __invert__(self) -> "Var":
        return self._logic("not")

    def __bool__(self) -> NoReturn:
        raise Refused(
            "Python decides (if, and, or, min, max) on a value that differs by neuron and step; use ops.where"
        )

    def __float__(self) -> NoReturn:
        raise Refused(f"a traced value has no number yet; {_FUNCTIONS}")

    __int__ = __index__ = __float__

    def __iter__(self) -> NoReturn:
        raise Refused("a step sees one neuron at one time; there is nothing to iterate over or to index")

    __getitem__ = __len__ = __iter__  # type: ignore[assignment]

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):
            raise AttributeError(name)
        raise Refused(f"a traced value has no {name!r}; {_FUNCTIONS}")


class TraceOps:
    """The vocabulary of `ops`, recorded instead of computed."""

    def __init__(self, graph: Graph, spiking: bool) -> None:
        self._graph = graph
        self._spiking = spiking

    def _node(self, value: Any) -> int:
        return Var(self._graph, 0).number(value)

    def _record(self, op: str, *values: Any) -> Var:
        return Var(self._graph, self._graph.add(op, *map(self._node, values)))

    def spike(self, u: Var, strict: bool = False) -> Var:
        if not self._spiking:
            raise Refused("ops.spike has no derivative here: give the neuron a field 'surrogate'")
        return self._record("spike_strict" if strict else "spike", u)

    def detach(self, u: Var) -> Var:
        return self._record("detach", u)

    def through(self, value: Var, smooth: Var) -> Var:
        return self._record("through", value, smooth)

    def round_half_even(self, u: Var) -> Var:
        return self._record("round", u)

    def floor(self, u: Var) -> Var:
        return self._record("floor", u)

    def where(self, condition: Var, a: Any, b: Any) -> Var:
        if not (isinstance(condition, Var) and condition.boolean):
            raise Refused("the first argument of ops.where is a comparison")
        return Var(self._graph, self._graph.add("where", condition.node, self._node(a), self._node(b)))

    def exp(self, u: Var) -> Var:
        return self._record("exp", u)

    def log(self, u: Var) -> Var:
        return self._record("log", u)

    def sqrt(self, u: Var) -> Var:
        return self._record("sqrt", u)

    def tanh(self, u: Var) -> Var:
        return self._record("tanh", u)

    def sigmoid(self, u: Var) -> Var:
        return self._record("sigmoid", u)

    def sin(self, u: Var) -> Var:
        return self._record("sin", u)

    def cos(self, u: Var) -> Var:
        return self._record("cos", u)

    def atan(self, u: Var) -> Var:
        return self._record("atan", u)

    def erf(self, u: Var) -> Var:
        return self._record("erf", u)

    def abs(self, u: Var) -> Var:
        return self._record("abs", u)

    def maximum(self, a: Any, b: Any) -> Var:
        return self.where(self._record("lt", a, b), b, a)

    def minimum(self, a: Any, b: Any) -> Var:
        return self.where(self._record("gt", a, b), b, a)

    def clamp(self, u: Var, low: float, high: float) -> Var:
        return self.minimum(self.maximum(u, low), high)

    def __getattr__(self, name: str) -> NoReturn:
        known = [n for n in vars(TraceOps) if not n.startswith("_")]
        raise Refused(f"ops has no function {name!r}" + did_you_mean(name, known))


@dataclass(frozen=True)
class Trace:
    """One recorded step: nodes of the input, states, parameters, output and new states."""

    graph: Graph
    x: int
    states: Mapping[str, int]
    params: Mapping[str, int]
    y: int
    new_states: Mapping[str, int]

    @property
    def delay(self) -> int | None:
        """Steps from an input to the first output that depends on it: 0 for nearly all neurons; None if none ever does."""
        front = {self.y}
        for steps in range(len(self.states) + 1):
            reached = set(self.graph.linked(front))
            if self.x in reached:
                return steps
            front |= {self.new_states[name] for name, node in self.states.items() if node in reached}
        return None


def trace(definition: Definition) -> Trace:
    """Record a definition's step.

    Raises:
        ConfigError: the step is no straight-line program of `ops`, or its symbols do not fit the declared ones; the
            message names file and line.
    """
    for name, value in definition.states.items():
        if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
            raise ConfigError(
                f"{_place(definition.step)}: state {name!r} has no initial value (states() gives {value!r})"
            )
    _check_symbols(definition)
    graph = Graph()
    x = graph.input("x")
    states = {name: graph.input(f"state:{name}") for name in definition.states}
    params = {name: graph.input(f"param:{name}") for name in definition.params}
    symbols = {name: Var(graph, node) for name, node in (states | params).items()}
    ops = TraceOps(graph, definition.surrogate is not None)
    result = guarded(definition.step, ops, Var(graph, x), **symbols)
    y, new_states = _check_result(definition, result)
    return Trace(graph, x, states, params, y, new_states)


def guarded(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call a person's equations; any fault becomes a `ConfigError` that names the line."""
    try:
        return function(*args, **kwargs)
    except ConfigError:
        raise
    except Exception as error:
        reason = str(error) or type(error).__name__
        if isinstance(error, TypeError) and "Var" in reason:
            reason = f"this function does not know traced values; {_FUNCTIONS}"
        raise ConfigError(f"{_line_of(error, function)}: {reason}") from error


def _check_symbols(definition: Definition) -> None:
    takes = inspect.signature(definition.step).parameters
    if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in takes.values()):
        return
    wanted, given = list(takes)[2:], [*definition.states, *definition.params]
    for name in wanted:
        if name not in given and takes[name].default is inspect.Parameter.empty:
            raise ConfigError(
                f"{_place(definition.step)}: step takes {name!r}, which is neither a state nor a parameter"
                + did_you_mean(name, given)
            )
    for name in given:
        if name not in wanted:
            raise ConfigError(
                f"{_place(definition.step)}: {name!r} is declared but step does not take it"
                + did_you_mean(name, wanted)
            )


def _check_result(definition: Definition, result: Any) -> tuple[int, dict[str, int]]:
    place = _place(definition.step)
    if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
        raise ConfigError(f"{place}: step must return (output, {{new states}}); it returned {type(result).__name__}")
    y, new = result
    for name in new:
        if name not in definition.states:
            raise ConfigError(
                f"{place}: step returns state {name!r}, which has no initial value in states()"
                + did_you_mean(name, definition.states)
            )
    for name in definition.states:
        if name not in new:
            raise ConfigError(f"{place}: step does not return the new value of state {name!r}")
    for name, value in [("the output", y), *((f"state {n!r}", v) for n, v in new.items())]:
        if not isinstance(value, Var):
            raise ConfigError(f"{place}: {name} is {value!r}; it must be computed from the step's symbols")
        if value.boolean:
            raise ConfigError(f"{place}: {name} is a comparison, which has no gradient; use ops.spike or ops.where")
    return y.node, {name: new[name].node for name in definition.states}


def _place(function: Callable[..., Any]) -> str:
    function = inspect.unwrap(function)
    code = getattr(getattr(function, "__func__", function), "__code__", None)
    if code is None:
        return repr(function)
    return f"{Path(code.co_filename).name}, line {code.co_firstlineno}"


def _line_of(error: BaseException, function: Callable[..., Any]) -> str:
    tb: types.TracebackType | None = error.__traceback__
    place = _place(function)
    while tb is not None:
        file = tb.tb_frame.f_code.co_filename
        if not file.startswith(_HERE):
            text = linecache.getline(file, tb.tb_lineno).strip()
            place = f"{Path(file).name}, line {tb.tb_lineno}" + (f" ({text})" if text else "")
        tb = tb.tb_next
    return place

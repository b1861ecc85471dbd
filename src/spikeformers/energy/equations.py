"""The operations of one neuron update, read off the neuron's own equations.

`step` is called once with symbols in place of tensors. What depends only on constants and parameters is computed once
per layer and is free; every other node of the expression is one primitive.
"""

import math
from functools import lru_cache
from typing import Any

from spikeformers.energy.formulas import Primitives
from spikeformers.neurons.base import ScanConfig

Value = Any
"""A `Symbol`, a number, or None for a constant whose value is not known (a parameter)."""


class Symbol:
    """A node of the expression: what it costs, and what it is made of."""

    def __init__(self, cost: str | None, parts: tuple["Symbol", ...] = (), *, binary: bool = False) -> None:
        self.cost = cost
        self.parts = parts
        self.binary = binary

    def __add__(self, other: Value) -> "Symbol":
        if _known(other) == 0.0:
            return self
        return Symbol("add", _symbols(self, other))

    __radd__ = __add__

    def __sub__(self, other: Value) -> "Symbol":
        return self + other

    def __rsub__(self, other: Value) -> "Symbol":
        if self.binary and _known(other) == 1.0:
            return Symbol(None, (self,), binary=True)
        return self + other

    def __mul__(self, other: Value) -> Value:
        known = _known(other)
        if known == 0.0:
            return 0.0
        if known in (1.0, -1.0):
            return self
        if self.binary or (isinstance(other, Symbol) and other.binary):
            both = self.binary and isinstance(other, Symbol) and other.binary
            return Symbol("and" if both else "select", _symbols(self, other), binary=both)
        if known is not None and math.frexp(abs(known))[0] == 0.5:
            return Symbol("shift", (self,))
        return Symbol("mul", _symbols(self, other))

    __rmul__ = __mul__

    def __truediv__(self, other: Value) -> Value:
        known = _known(other)
        if known is not None and known != 0.0:
            return self * (1.0 / known)
        return Symbol("mul" if not isinstance(other, Symbol) else "special", _symbols(self, other))

    def __rtruediv__(self, other: Value) -> "Symbol":
        return Symbol("special", (self,))

    def __pow__(self, power: Value) -> "Symbol":
        return Symbol("mul" if _known(power) == 2.0 else "special", _symbols(self, power))

    def __neg__(self) -> "Symbol":
        return self

    def __invert__(self) -> "Symbol":
        return self

    def __and__(self, other: Value) -> "Symbol":
        return Symbol("and", _symbols(self, other), binary=True)

    __or__ = __and__

    def _compare(self, other: Value) -> "Symbol":
        return Symbol("compare", _symbols(self, other), binary=True)

    __ge__ = __gt__ = __le__ = __lt__ = _compare


class Constant(float):
    """A parameter: constant over the layer, of unknown value. Arithmetic among constants stays constant."""

    def __new__(cls) -> "Constant":
        return super().__new__(cls, math.nan)

    def _stay(self, other: Value = None) -> Value:
        return NotImplemented if isinstance(other, Symbol) else self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _stay
    __truediv__ = __rtruediv__ = __pow__ = __rpow__ = __neg__ = _stay  # type: ignore[assignment]


class CountOps:
    """The vocabulary of `kernels.scan.ops`, on symbols."""

    def spike(self, u: Value, strict: bool = False) -> Value:
        """A comparison; subtracting a constant threshold first is part of it."""
        if isinstance(u, Symbol) and u.cost == "add" and len(u.parts) == 1:
            u = u.parts[0]
        return Symbol("compare", _symbols(u), binary=True)

    def detach(self, u: Value) -> Value:
        return u

    def through(self, value: Value, smooth: Value) -> Value:
        """The value alone: what carries the gradient is not computed forward."""
        return value

    def where(self, condition: Value, a: Value, b: Value) -> Value:
        return Symbol("select", _symbols(condition, a, b))

    def abs(self, u: Value) -> Value:
        return u

    def maximum(self, a: Value, b: Value) -> Value:
        return _unless_constant("compare", a, b)

    minimum = maximum

    def clamp(self, u: Value, low: float, high: float) -> Value:
        return self.minimum(self.maximum(u, low), high)

    def round_half_even(self, u: Value) -> Value:
        return _unless_constant("add", u)

    floor = round_half_even

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args: _unless_constant("special", *args)


def _unless_constant(cost: str, *args: Value) -> Value:
    parts = _symbols(*args)
    return Symbol(cost, parts) if parts else Constant()


def _symbols(*args: Value) -> tuple[Symbol, ...]:
    return tuple(a for a in args if isinstance(a, Symbol))


def _known(value: Value) -> float | None:
    if isinstance(value, Symbol) or (isinstance(value, float) and math.isnan(value)):
        return None
    return float(value)


@lru_cache(maxsize=256)
def _update(config: ScanConfig) -> tuple[tuple[str, float], ...]:
    states = {name: Symbol(None) for name in config.states()}
    params = {name: Constant() for name in config.parameters()}
    y, new = config.step(CountOps(), Symbol(None), **states, **params)
    counts: dict[str, float] = {}
    seen: set[int] = set()
    queue = [v for v in (y, *new.values()) if isinstance(v, Symbol)]
    while queue:
        node = queue.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        if node.cost:
            counts[node.cost] = counts.get(node.cost, 0.0) + 1.0
        queue.extend(node.parts)
    return tuple(sorted(counts.items()))


def update_primitives(config: ScanConfig) -> Primitives:
    """Primitives of one update of one neuron.

    A product with a spike is a `select`, with a power of two a `shift`; the comparison with the threshold is one
    `compare`.
    """
    return dict(_update(config))

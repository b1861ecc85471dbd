"""Straight-line programs on scalars: what a neuron's step becomes when it is recorded.

A `Graph` holds operations in the order in which they were written. It never reorders floating-point arithmetic, so code
emitted from it rounds exactly as the reference does; it merges equal operations and drops those whose result is the
operand itself, bit for bit.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

BOOLEAN = frozenset({"lt", "le", "gt", "ge", "eq", "ne", "and", "or", "not"})
"""Operations whose result is a truth value."""

LITERAL = frozenset({0.0, 1.0, -1.0})
"""Numbers that kernels hold as such; every other finite one is an argument of theirs."""

BINARY: Mapping[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
}


@dataclass(frozen=True)
class Node:
    """One operation: its name, the nodes it reads, and a constant's value or an input's name."""

    op: str
    args: tuple[int, ...] = ()
    value: float | str | None = None


class Graph:
    """Operations in written order; a node is named by its place in the list."""

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self._index: dict[tuple[str, tuple[int, ...], Any], int] = {}

    def input(self, name: str) -> int:
        """The node that stands for a value from outside."""
        return self._append(Node("input", (), name))

    def const(self, value: float) -> int:
        """The node of a number."""
        return self._append(Node("const", (), float(value)))

    def add(self, op: str, *args: int) -> int:
        """Record an operation, unless it is already there or changes nothing.

        Dropped are a·1, a/1, a−0, −(−a) and a choice between equals, and division by a power of two is multiplication
        by its reciprocal: exact for every a, NaN and −0 included.
        """
        if op == "mul":
            for one, other in (args, args[::-1]):
                if self.is_const(one, 1.0):
                    return other
        if (op == "div" and self.is_const(args[1], 1.0)) or (op == "sub" and self.is_const(args[1], 0.0)):
            return args[0]
        if op == "div" and (reciprocal := self._reciprocal(args[1])) is not None:
            return self._append(Node("mul", (args[0], self.const(reciprocal))))
        if op == "where" and args[1] == args[2]:
            return args[1]
        if op == "neg" and self.nodes[args[0]].op == "neg":
            return self.nodes[args[0]].args[0]
        return self._append(Node(op, args))

    def is_const(self, node: int, value: float) -> bool:
        """Whether a node is exactly this number (0.0 is not −0.0)."""
        found = self.nodes[node]
        return found.op == "const" and _bits(found.value) == _bits(value)

    def live(self, outputs: Iterable[int | None], leaves: Iterable[int] = ()) -> list[int]:
        """The nodes whose values `outputs` need, in order (None needs none); `leaves` are given and not looked into."""
        return self._reached(
            (n for n in outputs if n is not None),
            leaves,
            lambda entry: entry.args[:1] if entry.op == "through" else entry.args,
        )

    def linked(self, outputs: Iterable[int], leaves: Iterable[int] = ()) -> list[int]:
        """As `live`, with those through which gradients pass besides."""
        return self._reached(outputs, leaves, lambda entry: entry.args)

    def compact(self, outputs: Iterable[int]) -> tuple["Graph", dict[int, int]]:
        """A graph of nothing but what `outputs` are linked to, and old place → new place."""
        found, place = Graph(), dict[int, int]()
        for node in self.linked(outputs):
            entry = self.nodes[node]
            place[node] = found._append(Node(entry.op, tuple(place[arg] for arg in entry.args), entry.value))
        return found, place

    def varying(self, sources: Iterable[int]) -> set[int]:
        """All nodes that depend on one of `sources`."""
        found = set(sources)
        for node, entry in enumerate(self.nodes):
            if any(arg in found for arg in entry.args):
                found.add(node)
        return found

    def evaluate(self, outputs: Sequence[int], values: Mapping[str, Any], ops: Any) -> list[Any]:
        """Compute nodes from the values of inputs by name, with the functions of `ops` (tensors or anything alike)."""
        done: dict[int, Any] = {}
        for node in self.linked(outputs):
            done[node] = self._compute(self.nodes[node], done, values, ops)
        return [done[node] for node in outputs]

    def digest(self, outputs: Sequence[int | None], leaves: Iterable[int] = (), variable: Sequence[int] = ()) -> str:
        """A short text that is equal exactly when the operations between `leaves` and `outputs` are.

        Args:
            variable: constants whose values do not count.
        """
        place = {node: f"number {k}" for k, node in enumerate(variable)}
        lines = [repr(outputs)]
        for node in self.live(outputs, leaves):
            entry = self.nodes[node]
            lines.append(repr((node, entry.op, entry.args, place.get(node, entry.value))))
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]

    def _reached(
        self, outputs: Iterable[int], leaves: Iterable[int], reads: Callable[[Node], tuple[int, ...]]
    ) -> list[int]:
        stop, seen, stack = set(leaves), set(), list(outputs)
        while stack:
            node = stack.pop()
            if node not in seen:
                seen.add(node)
                if node not in stop:
                    stack.extend(reads(self.nodes[node]))
        return sorted(seen)

    def _reciprocal(self, node: int) -> float | None:
        """1/c of a constant c that is a power of two, where neither leaves float32."""
        value = self.nodes[node].value
        if self.nodes[node].op != "const" or not isinstance(value, float) or not math.isfinite(value):
            return None
        power, exponent = math.frexp(value)
        return 1.0 / value if abs(power) == 0.5 and abs(exponent) < 120 else None

    def _append(self, node: Node) -> int:
        key = (node.op, node.args, _bits(node.value))
        if key not in self._index:
            self._index[key] = len(self.nodes)
            self.nodes.append(node)
        return self._index[key]

    @staticmethod
    def _compute(node: Node, done: Mapping[int, Any], values: Mapping[str, Any], ops: Any) -> Any:
        args = [done[a] for a in node.args]
        match node.op:
            case "input":
                return values[str(node.value)]
            case "const":
                return node.value
            case "neg":
                return -args[0]
            case "not":
                return ~args[0]
            case "round":
                return ops.round_half_even(args[0])
            case "through":
                return ops.through(*args)
            case "spike" | "spike_strict":
                return ops.spike(args[0], node.op == "spike_strict")
            case op if op in BINARY:
                return BINARY[op](*args)
            case op:
                return getattr(ops, op)(*args)


def _bits(value: float | str | None) -> Any:
    if not isinstance(value, float):
        return value
    return "nan" if math.isnan(value) else (value, math.copysign(1.0, value))

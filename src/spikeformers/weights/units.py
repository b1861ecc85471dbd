"""Rules for the units that every family is made of."""

from collections.abc import Iterable

from spikeformers.weights.rules import Rule


def conv_rules(conv: str, norm: str, ours: str) -> list[Rule]:
    """Rules of a convolution and its batch norm: official names of both → our `ConvNorm` at `ours`."""
    return [Rule(f"{conv}.{{p}}", f"{ours}.conv.{{p}}"), Rule(f"{norm}.{{p}}", f"{ours}.norm.{{p}}")]


def linear_rules(linear: str, norm: str, ours: str, trailing: int = 0) -> list[Rule]:
    """Rules of a projection and its batch norm → our `LinearNorm` at `ours`.

    Args:
        linear, norm: official names of the projection and of its norm.
        ours: our name of the unit.
        trailing: trailing axes of the official weight: 0 linear, 1 Conv1d, 2 Conv2d.
    """
    return [
        Rule(f"{linear}.{{p}}", f"{ours}.linear.{{p}}", trailing=trailing),
        Rule(f"{norm}.{{p}}", f"{ours}.norm.{{p}}"),
    ]


def count_numbered(names: Iterable[str], prefix: str) -> int:
    """How many parts `prefix1.*`, `prefix2.*`, … the names of a state dict tell of."""
    return len({head for name in names if (head := name.split(".")[0]).startswith(prefix)})

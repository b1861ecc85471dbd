"""Rules for the units that every family is made of."""

from collections.abc import Iterable, Mapping

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


def part_rules(
    official: str, ours: str, parts: Mapping[str, str], *, kind: str = "conv", trailing: int = 0
) -> list[Rule]:
    """Rules of the projections of one official module, each a tensor `{part}_{kind}` and a norm `{part}_bn`.

    Args:
        official, ours: names of the module.
        parts: official name of each part → our name of its unit inside the module.
        kind: "conv" or "linear", by the official name.
        trailing: as in `linear_rules`.
    """
    rules: list[Rule] = []
    for part, unit in parts.items():
        rules += linear_rules(f"{official}.{part}_{kind}", f"{official}.{part}_bn", f"{ours}.{unit}", trailing)
    return rules


PERCEPTRON = {"fc1": "fc1.unit", "fc2": "fc2.unit"}
"""The `parts` of a two-layer perceptron."""


def attention_parts(inputs: str = "qkv", *, neuron: bool) -> dict[str, str]:
    """The `parts` of an attention: its inputs and the projection behind it, which ends in a neuron or does not."""
    return {**{part: f"{part}.unit" for part in inputs}, "proj": "proj.unit" if neuron else "proj"}


def neuron_rules(official: str, ours: str, parts: Iterable[str]) -> list[Rule]:
    """Rules of what the neurons `{part}_lif` behind or before the projections of one module learn."""
    return [Rule(f"{official}.{part}_lif.{{p}}", f"{ours}.{part}.neuron.{{p}}") for part in parts]


def patch_rules(units: Iterable[str], position: str) -> list[Rule]:
    """Rules of the stem that most families have from Spikformer: `proj_conv`, `proj_conv1`, … and `rpe_conv` → our units."""
    rules = conv_rules("patch_embed.rpe_conv", "patch_embed.rpe_bn", f"stem.{position}")
    for index, unit in enumerate(units):
        number = index or ""
        rules += conv_rules(f"patch_embed.proj_conv{number}", f"patch_embed.proj_bn{number}", f"stem.{unit}")
    return rules


def count_numbered(names: Iterable[str], prefix: str) -> int:
    """How many parts `prefix1.*`, `prefix2.*`, … the names of a state dict tell of."""
    return len({head for name in names if (head := name.split(".")[0]).startswith(prefix)})

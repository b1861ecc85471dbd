"""Rules of the official names of Meta-SpikeFormer and its descendants."""

from spikeformers.weights.rules import Rule
from spikeformers.weights.units import conv_rules, linear_rules


def trunk_rules(trunk: str = "trunk") -> list[Rule]:
    """Rules of the five down-sampling convolutions."""
    rules: list[Rule] = []
    for level, name in enumerate(("1_1", "1_2", "2", "3", "4")):
        ours = f"{trunk}.downs.{level}" + (".unit" if level else "")
        rules += conv_rules(f"downsample{name}.encode_conv", f"downsample{name}.encode_bn", ours)
    return rules


def block_places(trunk: str = "trunk") -> list[tuple[str, str]]:
    """Official names of the four convolution blocks → ours."""
    places = (("1_1", 0, 0), ("1_2", 1, 0), ("2_1", 2, 0), ("2_2", 2, 1))
    return [(f"ConvBlock{name}.0", f"{trunk}.levels.{level}.{number}") for name, level, number in places]


def transformer_places(trunk: str = "trunk") -> list[tuple[str, str]]:
    """Official names of the two lists of transformer blocks → ours."""
    return [("block3.{i}", f"{trunk}.levels.3.{{i}}"), ("block4.{i}", f"{trunk}.levels.4.{{i}}")]


def channel_rules(trunk: str = "trunk") -> list[Rule]:
    """Rules of the two 3×3 convolutions of every convolution block."""
    rules: list[Rule] = []
    for official, ours in block_places(trunk):
        for part in "12":
            rules += conv_rules(f"{official}.conv{part}", f"{official}.bn{part}", f"{ours}.channel.fc{part}.unit")
    return rules


def separable_rules(official: str, ours: str) -> list[Rule]:
    """Rules of a `SeparableConv`."""
    return [
        *conv_rules(f"{official}.pwconv1", f"{official}.bn1", f"{ours}.expand.unit"),
        Rule(f"{official}.dwconv.{{p}}", f"{ours}.depth.{{p}}"),
        *conv_rules(f"{official}.pwconv2", f"{official}.bn2", f"{ours}.project"),
    ]


def rep_rules(official: str, ours: str) -> list[Rule]:
    """Rules of a `RepConv` with its outer norm."""
    parts = {
        "0.body.0": "point1",
        "0.body.1.bn": "norm1",
        "0.body.2.0": "depth",
        "0.body.2.1": "point2",
        "0.body.2.2": "norm2",
        "1": "norm3",
    }
    return [Rule(f"{official}.{theirs}.{{p}}", f"{ours}.{mine}.{{p}}") for theirs, mine in parts.items()]


def mlp_rules(official: str, ours: str) -> list[Rule]:
    """Rules of a token perceptron made of Conv1d."""
    rules: list[Rule] = []
    for part in ("fc1", "fc2"):
        name = f"{official}.{part}"
        rules += linear_rules(f"{name}_conv", f"{name}_bn", f"{ours}.{part}.unit", trailing=1)
    return rules

"""Official names and shapes of spiking residual networks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Size

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.rules import Rule
from spikeformers.weights.units import conv_rules, count_numbered


@dataclass(frozen=True, kw_only=True)
class ResNetNames:
    """Official names in a layout with stages `layer1`, `layer2`, …; pairs name a convolution and its norm."""

    stem: tuple[str, str] = ("conv1", "bn1")
    """Of the stem."""
    branch: tuple[str, str] = ("conv{n}", "bn{n}")
    """Of the n-th unit of a block, counted from 1."""
    shortcut: tuple[str, str] = ("downsample.0", "downsample.1")
    """Of the shortcut of a block."""
    head: str = "fc"
    """Of the readout."""


TORCHVISION = ResNetNames()
"""Of torchvision, and of SpikingJelly's SEW and Spiking ResNets, which can therefore start from its weights."""
CONTAINERS = ResNetNames(
    branch=("conv{n}.module.0", "conv{n}.module.1"), shortcut=("downsample.module.0", "downsample.module.1")
)
"""Of the Spiking ResNets of the SEW-ResNet repository."""
SPIKING_CONTAINERS = ResNetNames(branch=CONTAINERS.branch, shortcut=("downsample.0.module.0", "downsample.0.module.1"))
"""Of its SEW-ResNets, whose shortcuts end in a neuron."""
STEM_AND_HEAD = ResNetNames(stem=("stem.0", "stem.1"), head="head")
"""Of SpikingJelly's MS-ResNets."""


def resnet_sizes(shapes: Mapping[str, Size], args: OfficialArgs) -> dict[str, Any]:
    """Config fields that the shapes of a SEW or Spiking ResNet tell, in any of its layouts.

    Raises:
        CheckpointError: its first convolution is neither 7×7 nor 3×3.
        ConfigError: stages that dilate instead of striding, which shapes do not tell.
    """
    args.ignore("block", "layers", "zero_init_residual", "groups", "width_per_group", "progress")
    dilated = args.take("replace_stride_with_dilation")
    if any(dilated or ()):
        raise ConfigError(f"replace_stride_with_dilation={dilated} of {args.family} is not built here; stages stride")
    dim, in_channels, kernel = shapes["conv1.weight"][:3]
    if kernel not in (3, 7):
        raise CheckpointError(f"the first convolution is {kernel}×{kernel}; it must be 7×7 (pooled) or 3×3 (plain)")
    stages = count_numbered(shapes, "layer")
    return {
        "in_channels": in_channels,
        "num_classes": shapes["fc.weight"][0],
        "dim": dim,
        "depths": tuple(count_blocks(shapes, f"layer{stage + 1}") for stage in range(stages)),
        "bottleneck": any(name.startswith("layer1.0.conv3.") for name in shapes),
        "stem": "pooled" if kernel == 7 else "plain",
    }


def branch_units(bottleneck: bool) -> list[str]:
    """Names of the `ConvNorm`s of `plain_branch` within their block."""
    last = 2 if bottleneck else 1
    return [*(f"branch.{n}.unit" for n in range(last)), f"branch.{last}"]


def resnet_rules(
    names: ResNetNames, stages: int, *, stem: str = "stem", units: Sequence[str], shortcut: str = "shortcut"
) -> list[Rule]:
    """Rules of a residual network whose blocks are `stages.<s>.<i>`.

    Args:
        names: the official ones.
        stages: how many there are.
        stem: our name of the stem's `ConvNorm`.
        units: our names of the `ConvNorm`s of a branch, within the block.
        shortcut: our name of that of the shortcut, within the block.
    """
    rules = [Rule(f"{names.head}.{{p}}", "head.{p}"), *conv_rules(*names.stem, stem)]
    for stage in range(stages):
        official, ours = f"layer{stage + 1}.{{i}}", f"stages.{stage}.{{i}}"
        for number, unit in enumerate(units, start=1):
            conv, norm = (f"{official}.{name.replace('{n}', str(number))}" for name in names.branch)
            rules += conv_rules(conv, norm, f"{ours}.{unit}")
        conv, norm = (f"{official}.{name}" for name in names.shortcut)
        rules += conv_rules(conv, norm, f"{ours}.{shortcut}")
    return rules

"""Spiking VGG: plain convolution stacks, a yardstick."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import Any, Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.checks import check_stride, map_size
from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.layers.time import over_time
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Triangle
from spikeformers.weights.resize import Resize, flat_map
from spikeformers.weights.rules import Rule, Rules

_DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions of each stage, by the number in the name."""
_IMAGENET: dict[str, Any] = {
    "img_size": 224,
    "num_classes": 1000,
    "pool": "max",
    "bias": True,
    "grid": 7,
    "hidden": (4096, 4096),
}
_VGGSNN: dict[str, Any] = {
    "img_size": 48,
    "in_channels": 2,
    "timesteps": 10,
    "neuron": LIFConfig(decay_input=False, strict=True, detach_reset=False, surrogate=Triangle()),
    "dims": (128, 256, 512, 512),
    "depths": (2, 2, 2, 2),
    "bias": True,
}


@MODELS.register(
    "spiking_vgg",
    variants={
        "spiking_vgg_tiny": {"img_size": 16, "dims": (16, 32), "depths": (2, 1), "first_width": 8},
        **{f"spiking_vgg_{n}_cifar10": {"depths": depths} for n, depths in _DEPTHS.items()},
        **{f"spiking_vgg_{n}": {**_IMAGENET, "depths": depths, "norm": False} for n, depths in _DEPTHS.items()},
        **{f"spiking_vgg_{n}_bn": {**_IMAGENET, "depths": depths} for n, depths in _DEPTHS.items()},
        "spiking_vggsnn": _VGGSNN,
    },
    source="Simonyan and Zisserman, ICLR 2015, with neurons; fangwei123456/spikingjelly. VGGSNN: Deng et al., 'Temporal "
    "Efficient Training', ICLR 2022, arXiv:2202.11946; Gus-Lab/temporal_efficient_training",
)
@dataclass(frozen=True, kw_only=True)
class SpikingVGGConfig(ModelConfig):
    """Spiking VGG: stages of 3×3 convolutions with norm and neuron, each ending in a pool, and linear layers on all pixels.

    The variants for 224×224 are SpikingJelly's, without its dropout between the linear layers, and `spiking_vggsnn` is
    that of Temporal Efficient Training. Those for 32×32 are a reconstruction: the convolutions of VGG and one linear
    layer. Average pools make the next convolution's input analog.
    """

    img_size: int | tuple[int, int] = 32
    """Height and width of the input in pixels; one number for a square."""
    num_classes: int = 10
    """Classes K of the readout."""
    dims: tuple[int, ...] = (64, 128, 256, 512, 512)
    """Width of each stage."""
    depths: tuple[int, ...] = _DEPTHS[11]
    """Convolutions of each stage."""
    first_width: int = 64
    """Width of the very first convolution; that of its stage if it is alone there."""
    pool: Literal["average", "max"] = "average"
    """Kind of the 2×2 pool after each stage."""
    norm: bool = True
    """Whether a batch norm follows each convolution."""
    bias: bool = False
    """Whether convolutions have a bias."""
    grid: int = 0
    """Side of the square to which the last map is averaged before the linear layers; 0 leaves the map as it is."""
    hidden: tuple[int, ...] = ()
    """Widths of the linear layers with neurons between the last map and the head."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dims) != len(self.depths) or not self.dims or min(*self.dims, *self.depths) < 1:
            raise ConfigError(f"dims={self.dims} and depths={self.depths} must have one positive entry per stage")
        if self.first_width < 1 or (self.depths[0] == 1 and self.first_width != self.dims[0]):
            raise ConfigError(f"first_width={self.first_width} must be dims[0]={self.dims[0]} where depths[0] is 1")
        if self.grid < 0 or any(width < 1 for width in self.hidden):
            raise ConfigError(
                f"grid={self.grid} must be at least 0, and every width of hidden={self.hidden} at least 1"
            )
        check_stride(self.img_size, 1 << len(self.dims), flat=False)

    def build(self) -> "SpikingVGG":
        return SpikingVGG(self)

    def positional(self) -> Mapping[str, Resize]:
        first = "hidden.0.linear.weight" if self.hidden else "head.weight"
        return {} if self.grid else {first: flat_map(self.dims[-1])}

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        args.ignore("cfg", "batch_norm", "init_weights", "progress")
        events = "classifier.module.weight" in shapes
        first = "features.0.fwd.module.0" if events else "features.0"
        width, in_channels = shapes[f"{first}.weight"][:2]
        norm = events or "features.1.running_mean" in shapes
        stages = _widths(shapes, gap=1 if events else 2 + norm)
        linear = [
            shapes[name] for name in sorted(shapes) if name.startswith("classifier.") and name.endswith(".weight")
        ]
        return cls(
            img_size=args.image(default=48 if events else 224),
            in_channels=in_channels,
            num_classes=(linear or [shapes["classifier.0.weight"]])[-1][0],
            timesteps=args.take("T", 10 if events else 4),
            neuron=_VGGSNN["neuron"] if events else cls.neuron,
            dims=tuple(stage[-1] for stage in stages),
            depths=tuple(map(len, stages)),
            first_width=width,
            pool="average" if events else "max",
            norm=norm,
            bias=f"{first}.bias" in shapes,
            grid=0 if events else 7,
            hidden=tuple(shape[0] for shape in linear[:-1]),
        )

    def official_rules(self) -> Rules:
        rules, place = [], 0
        for stage, depth in enumerate(self.depths):
            for number in range(depth):
                ours = f"stages.{stage}.{number}" + (".unit" if self.norm else "")
                unit = f"features.{place}" if self.hidden else f"features.{place}.fwd.module"
                conv, norm = (unit, f"features.{place + 1}") if self.hidden else (f"{unit}.0", f"{unit}.1")
                rules += [Rule(f"{conv}.{{p}}", f"{ours}.conv.{{p}}"), Rule(f"{norm}.{{p}}", f"{ours}.norm.{{p}}")]
                place += 2 + self.norm if self.hidden else 1
            place += 1
        for number in range(len(self.hidden)):
            rules.append(Rule(f"classifier.{3 * number}.{{p}}", f"hidden.{number}.linear.{{p}}"))
        head = f"classifier.{3 * len(self.hidden)}" if self.hidden else "classifier.module"
        return Rules([*rules, Rule(f"{head}.{{p}}", "head.{p}")])


def _widths(shapes: Mapping[str, torch.Size], gap: int) -> list[list[int]]:
    """Widths of the official convolutions by stage; two that lie more than `gap` places apart have a pool between them."""
    found = [(name.split("."), shape) for name, shape in shapes.items() if len(shape) == 4]
    widths = {int(name[1]): shape[0] for name, shape in found if name[0] == "features"}
    out: list[list[int]] = []
    before = -gap - 1
    for place, width in sorted(widths.items()):
        if place - before > gap:
            out.append([])
        out[-1].append(width)
        before = place
    return out


class ConvNeuron(nn.Module):
    """3×3 convolution and neuron, without a norm, on maps [T, B, C, H, W]."""

    def __init__(self, in_channels: int, out_channels: int, *, bias: bool, neuron: NeuronConfig) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1, bias=bias)
        self.neuron = neuron.build(channels=out_channels)
        # No norm makes up for the scale, which torch's default lets shrink from layer to layer.
        nn.init.kaiming_normal_(self.conv.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(over_time(self.conv, x))


class LinearNeuron(nn.Module):
    """Linear layer and neuron, on vectors [T, B, C]."""

    def __init__(self, in_features: int, out_features: int, *, neuron: NeuronConfig) -> None:
        super().__init__()
        self.linear = nn.Linear(in_features, out_features)
        self.neuron = neuron.build(channels=out_features)

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(self.linear(x))


class SpikingVGG(SpikingModel):
    """Image → stages → linear layers on the flattened map, per step."""

    def __init__(self, config: SpikingVGGConfig) -> None:
        super().__init__(config)
        self.stages, channels = nn.ModuleList(), config.in_channels
        unit = ConvNormNeuron if config.norm else ConvNeuron
        for number, (dim, depth) in enumerate(zip(config.dims, config.depths, strict=True)):
            units = []
            for index in range(depth):
                width = config.first_width if number == index == 0 else dim
                units.append(unit(channels, width, bias=config.bias, neuron=config.neuron))
                channels = width
            self.stages.append(nn.Sequential(*units))
        self.pool = nn.AvgPool2d(2) if config.pool == "average" else nn.MaxPool2d(2)
        sides = map_size(config.img_size, 1 << len(config.dims))
        self.fit = _fit(sides, config.grid)
        widths = [channels * (config.grid**2 or prod(sides)), *config.hidden]
        self.hidden = nn.Sequential(
            *(LinearNeuron(before, after, neuron=config.neuron) for before, after in pairwise(widths))
        )
        self.head = nn.Linear(widths[-1], config.num_classes)
        self.feature_info = [FeatureInfo(dim, 2 << n, f"stages.{n}") for n, dim in enumerate(config.dims)]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = over_time(self.pool, stage(x))
            maps.append(x)
        return maps

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.hidden(over_time(self.fit, x).flatten(2)))


def _fit(sides: tuple[int, int], grid: int) -> nn.Module:
    """What averages a map of these sides to grid × grid."""
    if not grid or sides == (grid, grid):
        return nn.Identity()
    if all(side % grid == 0 for side in sides):
        return nn.AvgPool2d((sides[0] // grid, sides[1] // grid))  # unlike the adaptive pool, any runtime knows it
    return nn.AdaptiveAvgPool2d(grid)

"""Spiking VGG: plain convolution stacks, a yardstick."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.checks import check_stride, map_size
from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.layers.time import over_time
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.weights.resize import Resize, flat_map

_EVENTS = {"img_size": 48, "in_channels": 2, "num_classes": 10, "timesteps": 10}


@MODELS.register(
    "spiking_vgg",
    variants={
        "spiking_vgg_tiny": {"img_size": 16, "dims": (16, 32), "depths": (2, 1), "first_width": 8},
        "spiking_vgg_11": {},
        "spiking_vgg_13": {"depths": (2, 2, 2, 2, 2)},
        "spiking_vgg_16": {"depths": (2, 2, 3, 3, 3)},
        "spiking_vgg_19": {"depths": (2, 2, 4, 4, 4)},
        "spiking_vggsnn": {**_EVENTS, "dims": (128, 256, 512, 512), "depths": (2, 2, 2, 2)},
    },
    source="Simonyan and Zisserman, ICLR 2015, with neurons. VGGSNN: Deng et al., 'Temporal Efficient Training', ICLR 2022, "
    "arXiv:2202.11946; Gus-Lab/temporal_efficient_training",
)
@dataclass(frozen=True, kw_only=True)
class SpikingVGGConfig(ModelConfig):
    """Spiking VGG: stages of 3×3 convolutions with norm and neuron, each ending in a pool, and one linear head on all pixels.

    Reconstruction: layer widths of VGG and of VGGSNN (64-128-pool-256-256-pool-512-512-pool-512-512-pool), no official
    weights are read. Average pools make the input of the next convolution analog.
    """

    img_size: int | tuple[int, int] = 32
    """Height and width of the input in pixels; one number for a square."""
    num_classes: int = 10
    """Classes K of the readout."""
    dims: tuple[int, ...] = (64, 128, 256, 512, 512)
    """Width of each stage."""
    depths: tuple[int, ...] = (1, 1, 2, 2, 2)
    """Convolutions of each stage."""
    first_width: int = 64
    """Width of the very first convolution; that of its stage if it is alone there."""
    pool: Literal["average", "max"] = "average"
    """Kind of the 2×2 pool after each stage."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.dims) != len(self.depths) or not self.dims or min(*self.dims, *self.depths) < 1:
            raise ConfigError(f"dims={self.dims} and depths={self.depths} must have one positive entry per stage")
        if self.first_width < 1 or (self.depths[0] == 1 and self.first_width != self.dims[0]):
            raise ConfigError(f"first_width={self.first_width} must be dims[0]={self.dims[0]} where depths[0] is 1")
        check_stride(self.img_size, 1 << len(self.dims), flat=False)

    def build(self) -> "SpikingVGG":
        return SpikingVGG(self)

    def positional(self) -> Mapping[str, Resize]:
        return {"head.weight": flat_map(self.dims[-1])}


class SpikingVGG(SpikingModel):
    """Image → stages → linear head on the flattened map, per step."""

    def __init__(self, config: SpikingVGGConfig) -> None:
        super().__init__(config)
        self.stages, channels = nn.ModuleList(), config.in_channels
        for number, (dim, depth) in enumerate(zip(config.dims, config.depths, strict=True)):
            units = []
            for index in range(depth):
                width = config.first_width if number == index == 0 else dim
                units.append(ConvNormNeuron(channels, width, neuron=config.neuron))
                channels = width
            self.stages.append(nn.Sequential(*units))
        self.pool = nn.AvgPool2d(2) if config.pool == "average" else nn.MaxPool2d(2)
        pixels = prod(map_size(config.img_size, 1 << len(config.dims)))
        self.head = nn.Linear(channels * pixels, config.num_classes)
        self.feature_info = [FeatureInfo(dim, 2 << n, f"stages.{n}") for n, dim in enumerate(config.dims)]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = []
        for stage in self.stages:
            x = over_time(self.pool, stage(x))
            maps.append(x)
        return maps

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(2))

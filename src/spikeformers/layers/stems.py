"""Stems by name: from images to the first map of tokens."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import nn

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.layers.checks import check_stride
from spikeformers.layers.conv_stem import ConvStemStage
from spikeformers.layers.stem import SpikingPatchSplitting
from spikeformers.layers.stem_membrane import BinaryTokenizer, MembranePatchSplitting
from spikeformers.neurons import NeuronConfig

STEMS: Registry["StemConfig"] = Registry("stem", "spikeformers.layers")


@dataclass(frozen=True, kw_only=True)
class StemConfig(Config):
    """Abstract: four units from an image [T, B, in_channels, H, W] to a map [T, B, dim, H / 2^p, W / 2^p] with p pools."""

    registry: ClassVar = STEMS

    def build(self, in_channels: int, dim: int, *, pools: str, neuron: NeuronConfig) -> nn.Module:
        """The module; `pools` says for each unit whether it halves the map, and 8 divides `dim`."""
        raise NotImplementedError

    def check(self, pools: str, img_size: int | tuple[int, int]) -> None:
        """Raises ConfigError where the stem cannot pool so, or not images of this size."""


def _flags(pools: str) -> tuple[bool, ...]:
    return tuple(digit == "1" for digit in pools)


@STEMS.register("sps", source="Zhou et al., 'Spikformer', ICLR 2023; ZK-Zhou/spikformer")
@dataclass(frozen=True, kw_only=True)
class SPSConfig(StemConfig):
    """Spiking patch splitting: every unit ends in spikes, and a positional unit is added to the last: small integers out."""

    def build(self, in_channels: int, dim: int, *, pools: str, neuron: NeuronConfig) -> nn.Module:
        return SpikingPatchSplitting(in_channels, dim, pools=_flags(pools), neuron=neuron)


@STEMS.register(
    "ms_sps", source="Yao et al., 'Spike-driven Transformer', NeurIPS 2023; BICLab/Spike-Driven-Transformer"
)
@dataclass(frozen=True, kw_only=True)
class MSSPSConfig(StemConfig):
    """Membrane patch splitting: as spiking patch splitting, but the last unit and the position are currents."""

    def build(self, in_channels: int, dim: int, *, pools: str, neuron: NeuronConfig) -> nn.Module:
        return MembranePatchSplitting(in_channels, dim, pools=_flags(pools), neuron=neuron)


@STEMS.register("binary", source="Zhou et al., 'Spikingformer', arXiv:2304.11954; zhouchenlin2096/Spikingformer")
@dataclass(frozen=True, kw_only=True)
class BinaryConfig(StemConfig):
    """Spikingformer's tokenizer: a convolution of the image, then units that fire first: every other convolution sees spikes."""

    def build(self, in_channels: int, dim: int, *, pools: str, neuron: NeuronConfig) -> nn.Module:
        return BinaryTokenizer(in_channels, dim, pools=_flags(pools), neuron=neuron)


@STEMS.register("scs", source="Zhou et al., 'Spikformer V2', arXiv:2401.02020, a reconstruction")
@dataclass(frozen=True, kw_only=True)
class SCSConfig(StemConfig):
    """Spikformer V2's convolution stem: each unit halves the map by a strided convolution and adds a wide branch."""

    ratio: float = 4.0
    """Hidden width of each unit's branch over its width."""

    def __post_init__(self) -> None:
        if self.ratio <= 0:
            raise ConfigError(f"ratio={self.ratio} of the stem 'scs' must be positive")

    def check(self, pools: str, img_size: int | tuple[int, int]) -> None:
        if pools != "1111":
            raise ConfigError(
                f"the stem 'scs' halves the map in each of its four units; pools={pools!r} must be '1111'"
            )
        check_stride(img_size, 16, flat=False)

    def build(self, in_channels: int, dim: int, *, pools: str, neuron: NeuronConfig) -> nn.Module:
        widths = [in_channels, dim // 8, dim // 4, dim // 2, dim]
        return nn.Sequential(*(ConvStemStage(a, b, ratio=self.ratio, neuron=neuron) for a, b in pairwise(widths)))

"""What hierarchical families share: an embedding and blocks for every stage, each twice as wide and half as fine as the last."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.checks import check_stages
from spikeformers.models.base import ModelConfig, SpikingModel
from spikeformers.neurons import NeuronConfig

CIFAR = {"img_size": 32, "num_classes": 10, "depths": (1, 1, 2), "stem_stride": 1, "dim": 384}
"""What the models for small images differ in from those for ImageNet."""
EVENTS = {
    **{"img_size": 128, "in_channels": 2, "num_classes": 10, "timesteps": 16},
    **{"depths": (1, 1), "stem_stride": 8, "mlp_ratio": 1.0, "dim": 256, "heads": 16},
}
"""What the models for event frames differ in."""


@dataclass(frozen=True, kw_only=True)
class HierarchicalConfig(ModelConfig):
    """Abstract: a model of stages whose widths double up to `dim`."""

    dim: int = 512
    """Width of the last stage; each earlier stage has half the width of the next."""
    depths: tuple[int, ...] = (1, 2, 7)
    """Blocks of each stage."""
    heads: int = 8
    """Attention heads in every stage; divides every width."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over the stage's width (the event models have 1)."""
    stem_stride: Literal[1, 4, 8] = 4
    """Pixels per token side of the first stage: 4 ImageNet, 1 CIFAR, 8 events."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_stages(self.dim, self.depths, self.stem_stride, self.img_size)
        parts = 8 if self.stem_stride == 8 else 2
        if self.widths[0] % parts:
            unit = parts << (len(self.depths) - 1)
            low = max(self.dim // unit, 1) * unit
            raise ConfigError(
                f"dim={self.dim} gives a first stage of {self.widths[0]} channels, which must be divisible by {parts} for "
                f"the stem of stem_stride={self.stem_stride}; nearest valid dim: {low}, {low + unit}"
            )

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.dim >> (len(self.depths) - 1 - i) for i in range(len(self.depths)))


class HierarchicalModel(SpikingModel):
    """Abstract: image → (embedding → blocks) per stage → mean over pixels → [neuron] → linear head, per step.

    Args:
        config: of the model.
        embeds: for every stage, maps → maps of its width, at half the resolution from the second on.
        stages: for every stage, its blocks as one module of maps.
        head_neuron: what fires on the mean over pixels; None for nothing.
    """

    def __init__(
        self,
        config: HierarchicalConfig,
        embeds: Iterable[nn.Module],
        stages: Iterable[nn.Module],
        *,
        head_neuron: NeuronConfig | None = None,
    ) -> None:
        super().__init__(config)
        self.embeds = nn.ModuleList(embeds)
        self.stages = nn.ModuleList(stages)
        self.head_neuron = nn.Identity() if head_neuron is None else head_neuron.build(channels=config.dim, axis=-1)
        self.head = nn.Linear(config.dim, config.num_classes)
        self.feature_info = [
            FeatureInfo(width, config.stem_stride << i, f"stages.{i}") for i, width in enumerate(config.widths)
        ]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        levels = []
        for embed, stage in zip(self.embeds, self.stages, strict=True):
            x = stage(embed(x))
            levels.append(x)
        return levels

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))

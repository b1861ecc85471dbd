"""Max-ResNet: a membrane-residual spiking ResNet that max-pools where others stride."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.checks import check_stride
from spikeformers.layers.conv import ConvNorm, NeuronConvNorm
from spikeformers.layers.paths import ConvNormPool, TwoPaths
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, count_numbered


@MODELS.register(
    "max_resnet",
    variants={
        "max_resnet_tiny": {"img_size": 16, "dim": 8, "depths": (1, 1, 1)},
        "max_resnet_18": {},
    },
    source="Fang et al., 'Spiking Neural Networks Need High-Frequency Information', NeurIPS 2025, arXiv:2505.18608; "
    "bic-L/MaxFormer",
)
@dataclass(frozen=True, kw_only=True)
class MaxResNetConfig(ModelConfig):
    r"""Max-ResNet: blocks $x\leftarrow \mathrm{BN}(\mathrm{Conv}(S(\mathrm{BN}(\mathrm{Conv}(S(x))))))+\mathrm{id}(x)$.

    From the second stage on, the first block of a stage max-pools after its first norm.
    """

    any_size: ClassVar[bool] = True

    img_size: int | tuple[int, int] = 32
    """Height and width of the input in pixels; one number for a square."""
    num_classes: int = 10
    """Classes K of the readout."""
    dim: int = 64
    """Channels of the first convolution; stages have 2, 4, 8, … times as many."""
    depths: tuple[int, ...] = (3, 3, 2)
    """Blocks of each stage."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.depths or min(self.depths) < 1 or self.dim < 1:
            raise ConfigError(f"depths={self.depths} and dim={self.dim} must be at least one block and one channel")
        check_stride(self.img_size, 1 << (len(self.depths) - 1))

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.dim << (i + 1) for i in range(len(self.depths)))

    def build(self) -> "MaxResNet":
        return MaxResNet(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        dim, in_channels = shapes["conv1.weight"][:2]
        args.ignore("groups", "width_per_group", "replace_stride_with_dilation", "layers", "block", "progress")
        stages = count_numbered(shapes, "layer")
        return cls(
            img_size=args.image(default=32),
            in_channels=in_channels,
            num_classes=shapes["fc1.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            depths=tuple(count_blocks(shapes, f"layer{s + 1}") for s in range(stages)),
        )

    def official_rules(self) -> Rules:
        rules = [Rule("fc1.{p}", "head.{p}"), *conv_rules("conv1", "bn1", "stem")]
        for stage in range(len(self.depths)):
            official, ours = f"layer{stage + 1}.{{i}}", f"stages.{stage}.{{i}}"
            for number in (1, 2):
                part = f"{ours}.main.{number - 1}.unit"
                rules += conv_rules(f"{official}.conv{number}", f"{official}.bn{number}", part)
            rules += conv_rules(f"{official}.downsample.1", f"{official}.downsample.2", f"{ours}.short")
        return Rules(rules)


class MaxResNet(SpikingModel):
    """Image → convolution → stages → neuron → mean over pixels → linear head, per step."""

    def __init__(self, config: MaxResNetConfig) -> None:
        super().__init__(config)
        neuron, before = config.neuron, config.dim
        self.stem = ConvNorm(config.in_channels, config.dim)
        self.stages = nn.ModuleList()
        for index, (width, depth) in enumerate(zip(config.widths, config.depths, strict=True)):
            first = _block(before, width, pool=index > 0, neuron=neuron)
            rest = (_block(width, width, pool=False, neuron=neuron) for _ in range(depth - 1))
            self.stages.append(nn.Sequential(first, *rest))
            before = width
        self.head_neuron = neuron.build(channels=before)
        self.head = nn.Linear(before, config.num_classes)
        self.feature_info = [FeatureInfo(width, 1 << i, f"stages.{i}") for i, width in enumerate(config.widths)]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x).flatten(3).mean(3))


def _block(before: int, width: int, *, pool: bool, neuron: NeuronConfig) -> TwoPaths:
    first = (ConvNormPool if pool else NeuronConvNorm)(before, width, neuron=neuron)
    main = nn.Sequential(first, NeuronConvNorm(width, width, neuron=neuron))
    short = nn.Identity() if before == width else ConvNorm(before, width, 1, stride=2 if pool else 1)
    return TwoPaths(nn.Identity(), main, short)

"""Spiking ResNet: the residual network with neurons for activations, a yardstick."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.types import FeatureInfo
from spikeformers.layers.conv import ConvNorm
from spikeformers.layers.resnet import EXPANSION, ResNetStem, Stem, check_resnet, plain_branch, resnet_stages
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs
from spikeformers.models.vision.resnet_weights import CONTAINERS, TORCHVISION, branch_units, resnet_rules, resnet_sizes
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.if_ import IFConfig
from spikeformers.weights.rules import Rules


@MODELS.register(
    "spiking_resnet",
    variants={
        "spiking_resnet_tiny": {"img_size": 16, "num_classes": 10, "dim": 16, "depths": (1, 1), "stem": "plain"},
        "spiking_resnet_18": {},
        "spiking_resnet_34": {"depths": (3, 4, 6, 3)},
        "spiking_resnet_50": {"depths": (3, 4, 6, 3), "bottleneck": True},
        "spiking_resnet_101": {"depths": (3, 4, 23, 3), "bottleneck": True},
        "spiking_resnet_152": {"depths": (3, 8, 36, 3), "bottleneck": True},
    },
    source="The baseline of Fang et al., 'Deep Residual Learning in Spiking Neural Networks', NeurIPS 2021, arXiv:2102.04159; "
    "fangwei123456/Spike-Element-Wise-ResNet and fangwei123456/spikingjelly",
)
@dataclass(frozen=True, kw_only=True)
class SpikingResNetConfig(ModelConfig):
    """Spiking ResNet: each block fires on the sum of its branch and its shortcut, so it cannot be the identity in general."""

    neuron: NeuronConfig = IFConfig()
    """What fires, everywhere in the model."""
    dim: int = 64
    """Width of the first stage; doubles from stage to stage."""
    depths: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks of each stage."""
    bottleneck: bool = False
    """Blocks of 1×1, 3×3 and 1×1 convolutions with four times as many channels out, instead of two 3×3 ones."""
    stem: Stem = "pooled"
    """pooled: 7×7 convolution of stride 2 and a max-pool (ImageNet); plain: 3×3 convolution of stride 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_resnet(self.dim, self.depths, 4 if self.stem == "pooled" else 1, self.img_size)

    def build(self) -> "SpikingResNet":
        return SpikingResNet(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        return cls(img_size=args.image(default=224), timesteps=args.take("T", 4), **resnet_sizes(shapes, args))

    def official_rules(self) -> Rules:
        rules = []
        for names in (TORCHVISION, CONTAINERS):
            units = branch_units(self.bottleneck)
            rules += resnet_rules(names, len(self.depths), stem="stem.conv.unit", units=units)
        return Rules(rules)


class Block(nn.Module):
    r"""$y=S(\mathrm{branch}(x)+\mathrm{shortcut}(x))$ on maps [T, B, C, H, W]."""

    def __init__(self, in_channels: int, width: int, stride: int, bottleneck: bool, neuron: NeuronConfig) -> None:
        super().__init__()
        out = width * (EXPANSION if bottleneck else 1)
        self.branch = nn.Sequential(*plain_branch(in_channels, width, stride, bottleneck=bottleneck, neuron=neuron))
        same = stride == 1 and in_channels == out
        self.shortcut = nn.Identity() if same else ConvNorm(in_channels, out, 1, stride=stride)
        self.neuron = neuron.build(channels=out)

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(self.branch(x) + self.shortcut(x))


class SpikingResNet(SpikingModel):
    """Image → stem → stages → mean over pixels → linear head, per step."""

    def __init__(self, config: SpikingResNetConfig) -> None:
        super().__init__(config)
        expansion = EXPANSION if config.bottleneck else 1
        self.stem = ResNetStem(config.in_channels, config.dim, stem=config.stem, neuron=config.neuron)
        self.stages = resnet_stages(
            config.dim,
            config.depths,
            expansion=expansion,
            first_stride=1,
            block=lambda channels, width, stride: Block(channels, width, stride, config.bottleneck, config.neuron),
        )
        widths = [expansion * config.dim << stage for stage in range(len(config.depths))]
        self.head = nn.Linear(widths[-1], config.num_classes)
        stride = 4 if config.stem == "pooled" else 1
        self.feature_info = [FeatureInfo(w, stride << stage, f"stages.{stage}") for stage, w in enumerate(widths)]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(x), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))

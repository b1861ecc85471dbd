"""SEW-ResNet: residual blocks that join spikes with spikes, a yardstick."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.types import FeatureInfo
from spikeformers.layers.conv import ConvNormNeuron
from spikeformers.layers.resnet import EXPANSION, ResNetStem, Stem, check_resnet, plain_branch, resnet_stages
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs
from spikeformers.models.vision.resnet_weights import (
    SPIKING_CONTAINERS,
    TORCHVISION,
    branch_units,
    resnet_rules,
    resnet_sizes,
)
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.if_ import IFConfig
from spikeformers.weights.rules import Rules

Join = Literal["add", "and", "iand", "iand_swapped"]


@MODELS.register(
    "sew_resnet",
    variants={
        "sew_resnet_tiny": {"img_size": 16, "num_classes": 10, "dim": 16, "depths": (1, 1), "stem": "plain"},
        "sew_resnet_18": {},
        "sew_resnet_34": {"depths": (3, 4, 6, 3)},
        "sew_resnet_50": {"depths": (3, 4, 6, 3), "bottleneck": True},
        "sew_resnet_101": {"depths": (3, 4, 23, 3), "bottleneck": True},
        "sew_resnet_152": {"depths": (3, 8, 36, 3), "bottleneck": True},
    },
    source="Fang et al., 'Deep Residual Learning in Spiking Neural Networks', NeurIPS 2021, arXiv:2102.04159; "
    "fangwei123456/Spike-Element-Wise-ResNet and fangwei123456/spikingjelly",
)
@dataclass(frozen=True, kw_only=True)
class SEWResNetConfig(ModelConfig):
    """SEW-ResNet: spikes of a branch and of its shortcut are joined element by element."""

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
    join: Join = "add"
    """How branch a and shortcut s become one: add a + s, and a·s, iand (1 - a)·s, iand_swapped a·(1 - s).

    The last is what SpikingJelly's bottlenecks compute under the name IAND; neither the paper nor its own code does.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        check_resnet(self.dim, self.depths, 4 if self.stem == "pooled" else 1, self.img_size)

    def build(self) -> "SEWResNet":
        return SEWResNet(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        join = args.take("connect_f", "ADD", "cnf").lower()
        sizes = resnet_sizes(shapes, args)
        if join == "iand" and sizes["bottleneck"] and "layer1.0.conv3.weight" in shapes and args.parity:
            join = "iand_swapped"
        return cls(img_size=args.image(default=224), timesteps=args.take("T", 4), join=join, **sizes)

    def official_rules(self) -> Rules:
        rules = []
        for names in (TORCHVISION, SPIKING_CONTAINERS):
            rules += resnet_rules(
                names,
                len(self.depths),
                stem="stem.conv.unit",
                units=branch_units(self.bottleneck),
                shortcut="shortcut.unit",
            )
        return Rules(rules)


class Block(nn.Module):
    r"""$y=g(S(\mathrm{branch}(x)),s)$ on maps [T, B, C, H, W], with s = x, or spikes of a 1×1 convolution where shapes differ."""

    def __init__(self, in_channels: int, width: int, stride: int, config: SEWResNetConfig) -> None:
        super().__init__()
        neuron, bottleneck = config.neuron, config.bottleneck
        out = width * (EXPANSION if bottleneck else 1)
        self.join = config.join
        self.branch = nn.Sequential(*plain_branch(in_channels, width, stride, bottleneck=bottleneck, neuron=neuron))
        self.neuron = neuron.build(channels=out)
        same = stride == 1 and in_channels == out
        self.shortcut = nn.Identity() if same else ConvNormNeuron(in_channels, out, 1, stride=stride, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        a, s = self.neuron(self.branch(x)), self.shortcut(x)
        if self.join == "add":
            return a + s
        if self.join == "iand_swapped":
            return a * (1.0 - s)
        return a * s if self.join == "and" else (1.0 - a) * s


class SEWResNet(SpikingModel):
    """Image → stem → stages → mean over pixels → linear head, per step."""

    def __init__(self, config: SEWResNetConfig) -> None:
        super().__init__(config)
        expansion = EXPANSION if config.bottleneck else 1
        self.stem = ResNetStem(config.in_channels, config.dim, stem=config.stem, neuron=config.neuron)
        self.stages = resnet_stages(
            config.dim,
            config.depths,
            expansion=expansion,
            first_stride=1,
            block=lambda channels, width, stride: Block(channels, width, stride, config),
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

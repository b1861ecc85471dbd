"""MS-ResNet: residual blocks that add currents to a membrane, a yardstick."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.types import FeatureInfo
from spikeformers.layers.conv import ConvNorm, NeuronConvNorm
from spikeformers.layers.resnet import check_resnet, resnet_stages
from spikeformers.layers.time import over_time
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.models.vision.resnet_weights import STEM_AND_HEAD, resnet_rules
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Rectangle
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, count_numbered

Stem = Literal["large", "deep", "plain"]
_STAGES = ("conv2_x", "conv3_x", "conv4_x", "conv5_x")
"""Official names of the stages."""


@MODELS.register(
    "ms_resnet",
    variants={
        "ms_resnet_tiny": {
            "img_size": 16,
            "num_classes": 10,
            "dim": 16,
            "depths": (1, 1),
            "stem": "plain",
            "pooled_shortcut": True,
        },
        "ms_resnet_18": {},
        "ms_resnet_34": {"depths": (3, 4, 6, 3)},
        "ms_resnet_104": {"depths": (3, 8, 32, 8), "stem": "deep", "pooled_shortcut": True},
    },
    source="Hu et al., 'Advancing Spiking Neural Networks toward Deep Residual Learning', TNNLS 2024, arXiv:2112.08954; "
    "Ariande1/MS-ResNet; names of fangwei123456/spikingjelly too",
)
@dataclass(frozen=True, kw_only=True)
class MSResNetConfig(ModelConfig):
    """MS-ResNet: pre-activation blocks on membrane currents; the last norm of each starts at 0, all others at the threshold."""

    timesteps: int = 6
    """Steps T for which a static image [B, C, H, W] is shown; inputs [T, B, C, H, W] bring their own T."""
    neuron: NeuronConfig = LIFConfig(tau=4 / 3, decay_input=False, v_threshold=0.5, strict=True, surrogate=Rectangle())
    """What fires, everywhere in the model; the default keeps a quarter of its potential at each step, and fires above its
    threshold only (in SpikingJelly also at it)."""
    dim: int = 64
    """Width of the first stage; doubles from stage to stage."""
    depths: tuple[int, ...] = (2, 2, 2, 2)
    """Blocks of each stage."""
    stem: Stem = "large"
    """large: 7×7 convolution of stride 2; deep: three 3×3 ones, the first of stride 2; plain: one 3×3 of stride 1."""
    pooled_shortcut: bool = False
    """Shortcuts that shrink the map average 2×2 pixels before their convolution, instead of a convolution of stride 2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_resnet(self.dim, self.depths, 1 if self.stem == "plain" else 4, self.img_size, flat=False)

    def build(self) -> "MSResNet":
        return MSResNet(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        spikingjelly = "stem.0.weight" in shapes
        first = shapes["stem.0.weight" if spikingjelly else "conv1.0.weight"]
        deep = "conv1.3.bn.weight" in shapes
        stages = [f"layer{n + 1}" for n in range(count_numbered(shapes, "layer"))] if spikingjelly else _STAGES
        args.ignore("block", "num_block", "layers", "base_channels", "stage_channels")
        return cls(
            img_size=args.image(default=224),
            in_channels=first[1],
            num_classes=shapes["head.weight" if spikingjelly else "fc.weight"][0],
            timesteps=args.take("time_window", 6, "T"),
            neuron=cls.neuron.but(strict=not spikingjelly),
            dim=first[0],
            depths=tuple(count_blocks(shapes, stage) for stage in stages),
            stem="deep" if deep else "large",
            pooled_shortcut=deep,
        )

    def official_rules(self) -> Rules:
        rules = [Rule("fc.{p}", "head.{p}")]
        deep = self.stem == "deep"
        rules += conv_rules("conv1.2", "conv1.3.bn", "stem") if deep else conv_rules("conv1.0", "conv1.1.bn", "stem")
        if deep:
            rules += [Rule("conv1.0.{p}", "before.0.{p}"), Rule("conv1.1.{p}", "before.1.{p}")]
        for stage in range(len(self.depths)):
            official, ours = f"conv{stage + 2}_x.{{i}}", f"stages.{stage}.{{i}}"
            name = f"{official}.residual_function"
            rules += conv_rules(f"{name}.1", f"{name}.2.bn", f"{ours}.branch.0.unit")
            rules += conv_rules(f"{name}.4", f"{name}.5.bn", f"{ours}.branch.1.unit")
            name, start = f"{official}.shortcut", 1 if self.pooled_shortcut else 0
            rules += conv_rules(f"{name}.{start}", f"{name}.{start + 1}.bn", f"{ours}.shortcut")
        if self.stem == "large" and not self.pooled_shortcut:
            rules += resnet_rules(STEM_AND_HEAD, len(self.depths), units=("branch.0.unit", "branch.1.unit"))
        return Rules(rules)


class Block(nn.Module):
    r"""$y=\mathrm{shortcut}(x)+\mathrm{BN}_0(\mathrm{Conv}\,S(\mathrm{BN}(\mathrm{Conv}\,S(x))))$ on maps [T, B, C, H, W]."""

    def __init__(self, in_channels: int, width: int, stride: int, pooled: bool, neuron: NeuronConfig) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            NeuronConvNorm(in_channels, width, 3, stride=stride, neuron=neuron),
            NeuronConvNorm(width, width, 3, neuron=neuron),
        )
        pooled = pooled and stride == 2
        self.pool = nn.AvgPool2d(2) if pooled else nn.Identity()
        same = stride == 1 and in_channels == width
        self.shortcut = nn.Identity() if same else ConvNorm(in_channels, width, 1, stride=1 if pooled else stride)

    def forward(self, x: Tensor) -> Tensor:
        return self.branch(x) + self.shortcut(over_time(self.pool, x))


class MSResNet(SpikingModel):
    """Image → stem without neuron → stages → neuron → mean over pixels → linear head, per step."""

    def __init__(self, config: MSResNetConfig) -> None:
        super().__init__(config)
        dim, deep = config.dim, config.stem == "deep"
        self.before = nn.Sequential()
        if deep:
            self.before.append(nn.Conv2d(config.in_channels, dim, 3, stride=2, padding=1))
            self.before.append(nn.Conv2d(dim, dim, 3, padding=1))
        self.stem = ConvNorm(
            dim if deep else config.in_channels,
            dim,
            7 if config.stem == "large" else 3,
            stride=2 if config.stem == "large" else 1,
            bias=deep,
        )
        self.stages = resnet_stages(
            dim,
            config.depths,
            expansion=1,
            first_stride=1 if config.stem == "plain" else 2,
            block=lambda channels, width, stride: Block(channels, width, stride, config.pooled_shortcut, config.neuron),
        )
        widths = [dim << stage for stage in range(len(config.depths))]
        self.head_neuron = config.neuron.build(channels=widths[-1])
        self.head = nn.Linear(widths[-1], config.num_classes)
        stride = 1 if config.stem == "plain" else 4
        self.feature_info = [FeatureInfo(w, stride << stage, f"stages.{stage}") for stage, w in enumerate(widths)]
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.constant_(module.weight, 0.5)
        for module in self.modules():
            if isinstance(module, Block):
                nn.init.zeros_(module.branch[1].unit.norm.weight)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        x, maps = self.stem(over_time(self.before, x)), []
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x).flatten(3).mean(3))

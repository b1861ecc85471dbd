"""AutoST: Spikformers whose depth, widths, heads and ratios a training-free search chose layer by layer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch

from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem_membrane import MembranePatchSplitting
from spikeformers.models.base import MODELS, ModelConfig
from spikeformers.models.isotropic import IsotropicModel, PooledConfig
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.plif import PLIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import PERCEPTRON, attention_parts, neuron_rules, part_rules, patch_rules


def _uniform(depth: int, dim: int, heads: int = 8, ratio: float = 4.0) -> dict[str, object]:
    return {"dim": dim, "heads": (heads,) * depth, "mlp_ratios": (ratio,) * depth}


@MODELS.register(
    "autost",
    variants={
        "autost_tiny": {"dim": 64, "heads": (4, 2), "mlp_ratios": (2.0, 3.0), "neuron": ModelConfig.neuron},
        "autost_1_192": _uniform(1, 192, heads=4, ratio=3.0),
        "autost_4_256": _uniform(4, 256),
        "autost_2_384": _uniform(2, 384),
        "autost_4_384": _uniform(4, 384),
        "autost_10_384": _uniform(10, 384, ratio=5.0),
        "autost_15_768": _uniform(15, 768, ratio=6.0),
    },
    source="Wang et al., 'AutoST: Training-free Neural Architecture Search for Spiking Transformers', ICASSP 2024, "
    "arXiv:2307.00293; AlexandreWANG915/AutoST",
)
@dataclass(frozen=True, kw_only=True)
class AutoSTConfig(PooledConfig):
    """AutoST's searched network: MS-SPS stem, blocks of SSA and MLP on membrane residuals, learned time constants.

    The networks that the paper's search found are not published; the named variants are uniform points and the
    extremes of its search spaces.
    """

    img_size: int | tuple[int, int] = 32
    """Height and width of the input in pixels; one number for a square."""
    num_classes: int = 10
    """Classes K of the readout."""
    neuron: NeuronConfig = PLIFConfig(surrogate=Sigmoid(alpha=4.0))
    """What fires, everywhere in the model."""
    dim: int = 384
    """Embedding width; divisible by 8 and by every number of heads."""
    heads: tuple[int, ...] = (8, 8, 8, 8)
    """Attention heads of each block; their number is the depth."""
    mlp_ratios: tuple[float, ...] = (4.0, 4.0, 4.0, 4.0)
    """Hidden width of the MLP over dim, for each block."""
    pools: str = "0011"
    """For each of the four stem units, whether it max-pools by 2."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.heads or len(self.heads) != len(self.mlp_ratios):
            raise ConfigError(
                f"heads={self.heads} and mlp_ratios={self.mlp_ratios} must have one value for every block each"
            )
        for heads in self.heads:
            check_heads(self.dim, heads)

    def build(self) -> "AutoST":
        return AutoST(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        depth = count_blocks(shapes, "block")
        dim, in_channels = (
            shapes["patch_embed.rpe_conv.weight"][0],
            shapes["patch_embed.proj_conv.weight"][1],
        )
        heads = args.take("num_heads", (8,) * depth)
        hidden = [shapes[f"block.{i}.mlp.fc1_linear.weight"][0] for i in range(depth)]
        return cls(
            img_size=args.image(default=32),
            in_channels=in_channels,
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            heads=tuple(heads),
            mlp_ratios=tuple(h / dim for h in hidden),
        )

    def official_rules(self) -> Rules:
        units = [f"units.{i}" for i in range(3)]
        attention, ours = "block.{i}.attn", "blocks.{i}.attention"
        return Rules(
            [
                Rule("head.{p}", "head.{p}"),
                Rule(f"{attention}.lif.{{p}}", f"{ours}.neuron.{{p}}"),
                Rule(f"{attention}.attn_lif.{{p}}", f"{ours}.operator.neuron.{{p}}"),
                *patch_rules([*(f"{unit}.unit" for unit in units), "last"], "position"),
                *(
                    Rule(f"patch_embed.proj_lif{i or ''}.{{p}}", f"stem.{unit}.neuron.{{p}}")
                    for i, unit in enumerate(units)
                ),
                *part_rules(attention, ours, attention_parts(neuron=False), kind="linear"),
                *neuron_rules(attention, ours, "qkv"),
                *part_rules("block.{i}.mlp", "blocks.{i}.mlp", PERCEPTRON, kind="linear"),
                *neuron_rules("block.{i}.mlp", "blocks.{i}.mlp", PERCEPTRON),
            ]
        )


class AutoST(IsotropicModel):
    """Image → MS-SPS (its positional branch sees the current) → blocks → mean over tokens → linear head, per step."""

    def __init__(self, config: AutoSTConfig) -> None:
        dim, neuron = config.dim, config.neuron
        stem = MembranePatchSplitting(
            config.in_channels, dim, pools=config.pooling, neuron=neuron, spiking_position=False
        )
        blocks = (
            ResidualBlock(
                SpikingSelfAttention(dim, heads, neuron=neuron, qkv_bias=True, residual="membrane"),
                SpikingMLP(dim, round(dim * ratio), neuron=neuron, residual="membrane"),
            )
            for heads, ratio in zip(config.heads, config.mlp_ratios, strict=True)
        )
        super().__init__(config, stem, blocks, dim=dim, stride=config.stride)
        truncated_normal(self.blocks)
        truncated_normal(self.head)

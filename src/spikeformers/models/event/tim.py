"""TIM: an event Spikformer whose queries interact over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.tim import TemporalSelfAttention
from spikeformers.layers.checks import check_heads, check_pools, map_size
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem import SpikingPatchSplitting
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.braincog import node_rules
from spikeformers.weights.resize import Resize, token_pairs, token_vector
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules


@MODELS.register(
    "tim",
    variants={
        "tim_tiny": {
            **{"dim": 64, "depth": 1, "heads": 2, "mlp_ratio": 2.0, "timesteps": 4},
            "attention_scale": 0.5,
        },
        "tim_2_256": {},
    },
    source="Shen et al., 'TIM: An Efficient Temporal Interaction Module for Spiking Transformer', IJCAI 2024; "
    "BrainCog-X/Brain-Cog examples/TIM",
)
@dataclass(frozen=True, kw_only=True)
class TIMConfig(ModelConfig):
    """Spikformer for events with the Temporal Interaction Module on its queries.

    In the released code the three special thresholds never reach their neurons, which fire at 1: then the interaction
    returns the first step's queries and zeros ever after. The defaults here are the intended ones.
    """

    img_size: int | tuple[int, int] = 64
    """Height and width of the input in pixels; one number for a square; the interaction fixes the number of tokens, 1/16 of it squared."""
    in_channels: int = 2
    """Channels of the input: 2 for event polarities."""
    num_classes: int = 10
    """Classes K of the readout."""
    timesteps: int = 10
    """Steps T for which a static image [B, C, H, W] is shown; inputs [T, B, C, H, W] bring their own T."""
    dim: int = 256
    """Embedding width; divisible by 8 and by heads."""
    depth: int = 2
    """Number of blocks."""
    heads: int = 16
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    attention_scale: float = 0.25
    """Factor on q·k·v."""
    alpha: float = 0.5
    """Weight of the past in the interaction, between 0 and 1."""
    in_threshold: float = 0.3
    """Threshold after the interaction's convolution, as a factor of the neuron's own; 1 as released."""
    out_threshold: float = 0.5
    """Threshold of the interaction's output, as a factor of the neuron's own; 1 as released."""
    attention_threshold: float = 0.5
    """Threshold after the attention product, as a factor of the neuron's own; 1 as released."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        check_pools(self.dim, "1111", self.img_size)
        if not 0.0 <= self.alpha <= 1.0:
            raise ConfigError(f"alpha={self.alpha} must be between 0 (no past) and 1 (only the past)")

    @property
    def tokens(self) -> int:
        """Tokens N of a frame."""
        return prod(map_size(self.img_size, 16))

    def build(self) -> "TIM":
        return TIM(self)

    def positional(self) -> Mapping[str, Resize]:
        return {"blocks.*.interactor.weight": token_pairs, "blocks.*.interactor.bias": token_vector}

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        tokens = shapes["block.0.attn.TIM.interactor.weight"][0]
        hidden, dim = shapes["block.0.mlp.fc1_conv.weight"][:2]
        args.ignore("img_size", "img_size_h", "img_size_w", "if_UCF", "encode_type", "layer_by_layer")
        args.ignore("node", "tau", "threshold", "act_func", "alpha")
        return cls(
            img_size=16 * isqrt(tokens),
            in_channels=shapes["patch_embed.proj_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 10),
            dim=dim,
            depth=count_blocks(shapes, "block"),
            heads=args.heads(16),
            mlp_ratio=hidden / dim,
            attention_scale=args.take("attn_scale", 0.25),
            alpha=args.take("TIM_alpha", 0.5, "tim_alpha"),
            **_thresholds(args),
        )

    def official_rules(self) -> Rules:
        rules = [
            Rule("head.{p}", "head.{p}"),
            Rule("block.{i}.norm1.{p}", None),
            Rule("block.{i}.norm2.{p}", None),
            Rule("block.{i}.attn.TIM.interactor.{p}", "blocks.{i}.attention.interaction.interactor.{p}"),
            *node_rules("patch_embed", "block.{i}.attn", "block.{i}.attn.TIM", "block.{i}.mlp"),
            *conv_rules("patch_embed.rpe_conv", "patch_embed.rpe_bn", "stem.position.unit"),
        ]
        for index, number in enumerate(("", "1", "2", "3")):
            ours = f"stem.units.{index}.unit"
            rules += conv_rules(f"patch_embed.proj_conv{number}", f"patch_embed.proj_bn{number}", ours)
        for part in ("attn.q", "attn.k", "attn.v", "attn.proj", "mlp.fc1", "mlp.fc2"):
            ours = f"blocks.{{i}}.{part.replace('attn', 'attention')}.unit"
            rules += linear_rules(f"block.{{i}}.{part}_conv", f"block.{{i}}.{part}_bn", ours, 1)
        return Rules(rules)


def _thresholds(args: OfficialArgs) -> dict[str, float]:
    """What the checkpoint keeps; where that is the released 1, the intended values, unless parity is asked for."""
    released = args.take("released_thresholds", args.parity)
    found = {}
    for field, node, intended in (
        ("in_threshold", "TIM.in_lif", 0.3),
        ("out_threshold", "TIM.out_lif", 0.5),
        ("attention_threshold", "attn_lif", 0.5),
    ):
        kept = args.constant(f"block.0.attn.{node}.threshold", 1.0)
        found[field] = kept if released or kept != 1.0 else intended
    return found


class TIM(SpikingModel):
    """Frames → SPS → blocks with temporal interaction → mean over tokens → linear head, per step."""

    def __init__(self, config: TIMConfig) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        self.stem = SpikingPatchSplitting(config.in_channels, dim, pools=(True,) * 4, neuron=neuron)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    TemporalSelfAttention(
                        dim,
                        config.heads,
                        config.tokens,
                        neuron=neuron,
                        scale=config.attention_scale,
                        alpha=config.alpha,
                        thresholds=(config.in_threshold, config.out_threshold, config.attention_threshold),
                    ),
                    SpikingMLP(dim, round(dim * config.mlp_ratio), neuron=neuron),
                )
                for _ in range(config.depth)
            )
        )
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, 16, "blocks")]
        nn.init.trunc_normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(x.flatten(3).mean(3))

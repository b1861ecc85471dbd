"""TIM: an event Spikformer whose queries interact over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from typing import Self

import torch

from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.tim import TemporalSelfAttention
from spikeformers.layers.checks import check_heads, check_pools, map_size
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp import SpikingMLP
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem import SpikingPatchSplitting
from spikeformers.models.base import MODELS, ModelConfig
from spikeformers.models.isotropic import IsotropicModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.braincog import node_rules
from spikeformers.weights.resize import Resize, token_pairs, token_vector
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import PERCEPTRON, attention_parts, part_rules, patch_rules


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
        for name in ("in_threshold", "out_threshold", "attention_threshold"):
            if not getattr(self, name) > 0.0:
                raise ConfigError(
                    f"{name}={getattr(self, name)} must be above 0; it is a factor on the neuron's threshold"
                )
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
        block, ours = "block.{i}", "blocks.{i}"
        attention = f"{block}.attn"
        return Rules(
            [
                *(Rule("head.{p}", "head.{p}"), Rule(f"{block}.norm1.{{p}}", None), Rule(f"{block}.norm2.{{p}}", None)),
                Rule(f"{attention}.TIM.interactor.{{p}}", f"{ours}.attention.interaction.interactor.{{p}}"),
                *node_rules("patch_embed", attention, f"{attention}.TIM", f"{block}.mlp"),
                *patch_rules([f"units.{i}.unit" for i in range(4)], "position.unit"),
                *part_rules(attention, f"{ours}.attention", attention_parts(neuron=True), trailing=1),
                *part_rules(f"{block}.mlp", f"{ours}.mlp", PERCEPTRON, trailing=1),
            ]
        )


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


class TIM(IsotropicModel):
    """Frames → SPS → blocks with temporal interaction → mean over tokens → linear head, per step."""

    def __init__(self, config: TIMConfig) -> None:
        dim, neuron = config.dim, config.neuron
        stem = SpikingPatchSplitting(config.in_channels, dim, pools=(True,) * 4, neuron=neuron)
        super().__init__(config, stem, (_block(config) for _ in range(config.depth)), dim=dim, stride=16)
        truncated_normal(self.head)


def _block(config: TIMConfig) -> ResidualBlock:
    attention = TemporalSelfAttention(
        config.dim,
        config.heads,
        config.tokens,
        neuron=config.neuron,
        scale=config.attention_scale,
        alpha=config.alpha,
        thresholds=(config.in_threshold, config.out_threshold, config.attention_threshold),
    )
    return ResidualBlock(attention, SpikingMLP(config.dim, round(config.dim * config.mlp_ratio), neuron=config.neuron))

"""SEMM: Spikformer with spiking expert mixtures in attention (EMSA) and perceptron (EMSP)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.layers.attention.experts import ExpertAttention, ExpertMLP, Routing
from spikeformers.layers.attention.spiking import Residual
from spikeformers.layers.checks import map_size
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem import SpikingPatchSplitting
from spikeformers.layers.stem_membrane import BinaryTokenizer, MembranePatchSplitting
from spikeformers.models.base import MODELS
from spikeformers.models.isotropic import IsotropicModel, PooledConfig
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.braincog import node_rules
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import PERCEPTRON, conv_rules, linear_rules, part_rules, patch_rules

_IMAGENET = {"qkv_bias": False, "depthwise_bias": True}
_CIFAR = {"img_size": 32, "num_classes": 10, "pools": "0011"}


@MODELS.register(
    "semm",
    variants={
        "semm_tiny": {
            **_CIFAR,
            "img_size": 16,
            "depth": 1,
            "dim": 64,
            "expert_dim": 16,
            "experts": 2,
            "mlp_ratio": 2.0,
        },
        "semm_4_384": {**_CIFAR, "depth": 4},
        "semm_8_384": {**_IMAGENET, "mlp_ratio": 2048 / 384},
        "semm_8_512": {**_IMAGENET, "dim": 512, "mlp_ratio": 2720 / 512},
    },
    source="Zhou et al., 'Spiking Transformer with Experts Mixture', NeurIPS 2024; Fancyssc/STEP cls/models/static",
)
@dataclass(frozen=True, kw_only=True)
class SEMMConfig(PooledConfig):
    """SEMM on Spikformer: SPS stem, blocks of EMSA and EMSP with spikes added to spikes, linear head.

    The authors released no code; this is what the CIFAR model of Fancyssc/STEP computes, with each router output at
    its own token, which that code confuses. Its ImageNet class leaves k and v unnormalised and unscaled and averages
    the logits over the batch: `norm` and `attention_scale` reproduce it for a batch of one.

    On the bodies "spikingformer" and "sdt" this is a reconstruction, fitted to nothing: the same mixtures in membrane
    form (a neuron first, no neuron last), with the stem and the head of that family.
    """

    body: Literal["spikformer", "spikingformer", "sdt"] = "spikformer"
    """Whose stem, residuals and head the mixtures work in."""
    dim: int = 384
    """Embedding width; divisible by 8."""
    depth: int = 8
    """Number of blocks."""
    experts: int = 4
    """Experts of each attention."""
    expert_dim: int = 96
    """Channels of every expert's query and of the shared keys."""
    values: Literal["full", "small"] = "full"
    """Width of the shared values: dim ("base" in the paper) or expert_dim ("small")."""
    mlp_ratio: float = 4.0
    """Hidden width of the perceptron over dim; half of it gates the other half."""
    attention_scale: float = 0.125
    """Factor on q·k·v."""
    qkv_bias: bool = True
    """Whether the projections to queries, keys and values have a bias (ImageNet: no)."""
    depthwise_bias: bool = False
    """Whether the perceptron's depth-wise convolution has a bias (ImageNet: yes)."""
    norm: bool = True
    """Whether keys and values are normalised before their neurons."""
    routing: Routing = "token"
    """How router outputs meet the tokens: each its own, or "interleaved", as STEP's CIFAR weights were trained."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.experts < 1 or self.expert_dim < 1:
            raise ConfigError(f"experts={self.experts} and expert_dim={self.expert_dim} must be at least 1")
        if self.hidden % 2 or self.hidden < 2:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} gives {self.hidden} hidden channels, which cannot be halved")

    @property
    def hidden(self) -> int:
        """Hidden channels of the perceptron."""
        return round(self.dim * self.mlp_ratio)

    def build(self) -> "SEMM":
        return SEMM(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        cifar = "block.0.attn.k_linear.weight" in shapes
        kind = "linear" if cifar else "conv"
        expert_dim, dim = shapes[f"block.0.attn.k_{kind}.weight"][:2]
        args.ignore("num_heads", "expert_dim", "num_expert", "expert_mode", "mlp_drop", "attn_drop", "embed_layer")
        args.ignore("attn_layer", "layer_by_layer", "encode_type", "sequence_length")
        args.ignore("node", "tau", "threshold", "act_func", "alpha")
        return cls(
            img_size=args.image(default=32 if cifar else 224),
            in_channels=shapes["patch_embed.proj_conv.weight"][1],
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 4),
            dim=dim,
            depth=count_blocks(shapes, "block"),
            experts=shapes["block.0.attn.router1.weight"][0],
            expert_dim=expert_dim,
            values="full" if shapes[f"block.0.attn.v_{kind}.weight"][0] == dim else "small",
            mlp_ratio=shapes[f"block.0.mlp.fc1_{kind}.weight"][0] / dim,
            pools="0011" if cifar else "1111",
            attention_scale=args.take("attn_scale", 0.125) if cifar else 1.0,
            qkv_bias=cifar,
            depthwise_bias=not cifar,
            norm=cifar,
            # Weights trained under one routing mean nothing under the other, so a checkpoint keeps its own.
            routing="interleaved" if cifar else "token",
        )

    def official_rules(self) -> Rules:
        if self.body != "spikformer":
            raise CheckpointError(f"no official parameter names of SEMM on the body {self.body!r} are known")
        kind, attention_axes, mlp_axes = ("linear", 0, 0) if self.pools == "0011" else ("conv", 1, 2)
        block, ours = "block.{i}", "blocks.{i}"
        attention, mixture = f"{block}.attn", f"{ours}.attention"
        rules = [
            Rule("head.{p}", "head.{p}"),
            *node_rules("patch_embed", attention, f"{block}.mlp", f"{attention}.ff_list.{{j}}"),
            *node_rules(f"{attention}.lif_list"),
            *patch_rules([f"units.{i}.unit" for i in range(4)], "position.unit"),
            *linear_rules(f"{attention}.router1", f"{attention}.router2", f"{mixture}.router.unit", attention_axes),
            *part_rules(
                f"{attention}.ff_list.{{j}}",
                f"{mixture}.experts.{{j}}",
                {"unit": "unit"},
                kind=kind,
                trailing=attention_axes,
            ),
            *conv_rules(f"{block}.mlp.dw_conv", f"{block}.mlp.dw_bn", f"{ours}.mlp.gate.unit"),
            *part_rules(f"{block}.mlp", f"{ours}.mlp", PERCEPTRON, kind=kind, trailing=mlp_axes),
        ]
        normed = ("k", "v", "proj") if self.norm else ("proj",)
        rules += part_rules(attention, mixture, {p: f"{p}.unit" for p in normed}, kind=kind, trailing=attention_axes)
        for part in "" if self.norm else "kv":
            linear = Rule(f"{attention}.{part}_{kind}.{{p}}", f"{mixture}.{part}.linear.{{p}}", attention_axes)
            rules += [linear, Rule(f"{attention}.{part}_bn.{{p}}", None)]
        return Rules(rules)


_STEMS = {"spikformer": SpikingPatchSplitting, "spikingformer": BinaryTokenizer, "sdt": MembranePatchSplitting}


class SEMM(IsotropicModel):
    """Image → stem → blocks of expert mixtures → mean over tokens → [neuron] → linear head, per step."""

    def __init__(self, config: SEMMConfig) -> None:
        dim, neuron = config.dim, config.neuron
        super().__init__(
            config,
            _STEMS[config.body](config.in_channels, dim, pools=config.pooling, neuron=neuron),
            (_block(config) for _ in range(config.depth)),
            dim=dim,
            stride=config.stride,
            head_neuron=neuron if config.body == "sdt" else None,
        )
        truncated_normal(self.head)


def _block(config: SEMMConfig) -> ResidualBlock:
    residual: Residual = "sew" if config.body == "spikformer" else "membrane"
    attention = ExpertAttention(
        config.dim,
        experts=config.experts,
        expert_dim=config.expert_dim,
        value_dim=config.dim if config.values == "full" else config.expert_dim,
        neuron=config.neuron,
        scale=config.attention_scale,
        bias=config.qkv_bias,
        norm=config.norm,
        routing=config.routing,
        residual=residual,
    )
    mlp = ExpertMLP(
        config.dim,
        config.hidden,
        neuron=config.neuron,
        depthwise_bias=config.depthwise_bias,
        residual=residual,
        grid=map_size(config.img_size, config.stride),
    )
    return ResidualBlock(attention, mlp)

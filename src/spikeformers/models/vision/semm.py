"""SEMM: Spikformer with spiking expert mixtures in attention (EMSA) and perceptron (EMSP)."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.experts import ExpertAttention, ExpertMLP, Routing
from spikeformers.layers.attention.spiking import Residual
from spikeformers.layers.checks import check_pools, map_size
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stem import SpikingPatchSplitting
from spikeformers.layers.stem_membrane import BinaryTokenizer, MembranePatchSplitting
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.weights.braincog import node_rules
from spikeformers.weights.rules import Rule, Rules
from spikeformers.weights.units import conv_rules, linear_rules

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
class SEMMConfig(ModelConfig):
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
    pools: str = "1111"
    """For each of the four stem units, whether a stride-2 max-pool follows: 1111 ImageNet, 0011 CIFAR."""
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
        check_pools(self.dim, self.pools, self.img_size)
        if self.experts < 1 or self.expert_dim < 1:
            raise ConfigError(f"experts={self.experts} and expert_dim={self.expert_dim} must be at least 1")
        if self.hidden % 2 or self.hidden < 2:
            raise ConfigError(f"mlp_ratio={self.mlp_ratio} gives {self.hidden} hidden channels, which cannot be halved")

    @property
    def hidden(self) -> int:
        """Hidden channels of the perceptron."""
        return round(self.dim * self.mlp_ratio)

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

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
        rules = [
            Rule("head.{p}", "head.{p}"),
            *node_rules("patch_embed", f"{block}.attn", f"{block}.mlp", f"{block}.attn.ff_list.{{j}}"),
            *node_rules(f"{block}.attn.lif_list"),
            *conv_rules("patch_embed.rpe_conv", "patch_embed.rpe_bn", "stem.position.unit"),
            *conv_rules(f"{block}.mlp.dw_conv", f"{block}.mlp.dw_bn", f"{ours}.mlp.gate.unit"),
        ]
        for index, number in enumerate(("", "1", "2", "3")):
            unit = f"stem.units.{index}.unit"
            rules += conv_rules(f"patch_embed.proj_conv{number}", f"patch_embed.proj_bn{number}", unit)
        for part in ("k", "v"):
            name = f"{block}.attn.{part}"
            if self.norm:
                unit = f"{ours}.attention.{part}.unit"
                rules += linear_rules(f"{name}_{kind}", f"{name}_bn", unit, attention_axes)
            else:
                linear = f"{ours}.attention.{part}.linear.{{p}}"
                rules += [Rule(f"{name}_{kind}.{{p}}", linear, attention_axes), Rule(f"{name}_bn.{{p}}", None)]
        for linear, norm, unit, axes in (
            (f"attn.proj_{kind}", "attn.proj_bn", "attention.proj", attention_axes),
            ("attn.router1", "attn.router2", "attention.router", attention_axes),
            (
                f"attn.ff_list.{{j}}.unit_{kind}",
                "attn.ff_list.{j}.unit_bn",
                "attention.experts.{j}",
                attention_axes,
            ),
            (f"mlp.fc1_{kind}", "mlp.fc1_bn", "mlp.fc1", mlp_axes),
            (f"mlp.fc2_{kind}", "mlp.fc2_bn", "mlp.fc2", mlp_axes),
        ):
            rules += linear_rules(f"{block}.{linear}", f"{block}.{norm}", f"{ours}.{unit}.unit", axes)
        return Rules(rules)


_STEMS = {"spikformer": SpikingPatchSplitting, "spikingformer": BinaryTokenizer, "sdt": MembranePatchSplitting}


class SEMM(SpikingModel):
    """Image → stem → blocks of expert mixtures → mean over tokens → [neuron] → linear head, per step."""

    def __init__(self, config: SEMMConfig) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        pools = tuple(digit == "1" for digit in config.pools)
        self.stem = _STEMS[config.body](config.in_channels, dim, pools=pools, neuron=neuron)
        self.blocks = nn.Sequential(*(_block(config) for _ in range(config.depth)))
        self.head_neuron = neuron.build(channels=dim, axis=-1) if config.body == "sdt" else nn.Identity()
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "blocks")]
        truncated_normal(self.head)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))


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

"""STAtten: a spike-driven transformer whose attention spans the steps of a chunk as well as the image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.sdsa import ChunkedConfig
from spikeformers.layers.attention.spiking import SpikingSelfAttention
from spikeformers.layers.checks import check_heads, check_pools, map_size
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp_membrane import membrane_mlp
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stems import MSSPSConfig, StemConfig
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel
from spikeformers.models.official import OfficialArgs, count_blocks
from spikeformers.models.vision.sdt_v1_weights import official_rules
from spikeformers.weights.rules import Rules

_CIFAR = {"img_size": 32, "num_classes": 10, "pools": "0011", "depth": 2}
_EVENTS = {"img_size": 64, "in_channels": 2, "timesteps": 16, "chunk": 4, "event_pooling": True}


@MODELS.register(
    "statten",
    variants={
        "statten_tiny": {**_CIFAR, "dim": 64, "depth": 1, "heads": 4, "mlp_ratio": 2.0},
        "statten_2_256": {**_CIFAR, "dim": 256},
        "statten_2_512": {**_CIFAR, "dim": 512},
        "statten_2_256_events": {**_CIFAR, **_EVENTS, "dim": 256},
        "statten_8_512": {},
        "statten_8_768": {"dim": 768},
    },
    source="Lee et al., 'Spiking Transformer with Spatial-Temporal Attention', CVPR 2025; "
    "Intelligent-Computing-Lab-Yale/STAtten",
)
@dataclass(frozen=True, kw_only=True)
class STAttenConfig(ModelConfig):
    """STAtten on the body of Spike-driven Transformer V1. A step sees the later steps of its chunk.

    The attention's scale is the root of the number of tokens, so results depend on the resolution by more than the tokens.
    """

    causal: ClassVar[bool] = False

    dim: int = 512
    """Embedding width; divisible by 8 and by heads."""
    depth: int = 8
    """Number of blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim; at 1 each of its layers has a residual of its own."""
    pools: str = "1111"
    """For each of the four stem units, whether it max-pools by 2: 1111 ImageNet, 0011 CIFAR and 64² events."""
    stem: StemConfig = MSSPSConfig()
    """From images to tokens."""
    chunk: int = 2
    """Steps that attend to each other; divides T."""
    event_pooling: bool = False
    """Whether the attention max-pools its spikes over 3×3 neighbourhoods (the event layout)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_heads(self.dim, self.heads)
        check_pools(self.dim, self.pools, self.img_size)
        self.stem.check(self.pools, self.img_size)
        if self.chunk < 1:
            raise ConfigError(f"chunk={self.chunk} must be at least 1 step")

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

    def twin(self) -> Self:
        return self.but(neuron="relu", timesteps=1, chunk=1)

    def build(self) -> "STAtten":
        return STAtten(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        in_channels = shapes["patch_embed.proj_conv.weight"][1]
        hidden, dim = shapes["block.0.mlp.fc1_conv.weight"][:2]
        events = in_channels == 2
        args.ignore("attn_mode", "TET", "spike_mode")
        mode = args.take("attention_mode", "STAtten")
        pools = args.take("pooling_stat", "1111")
        config = cls(
            img_size=args.image(default=128 if events else 32 if pools == "0011" else 224),
            in_channels=in_channels,
            num_classes=shapes["head.weight"][0],
            timesteps=args.take("T", 16 if events else 4),
            dim=dim,
            depth=count_blocks(shapes, "block"),
            heads=args.heads(8),
            mlp_ratio=hidden / dim,
            pools=pools,
            chunk=args.take("chunk_size", 2),
            event_pooling=bool(args.take("dvs_mode", events)),
        )
        if mode != "STAtten":
            raise ConfigError(
                f"attention_mode={mode!r} is another model: load it as family 'sdt_v1' if it is 'SDT'; "
                "family 'statten' takes 'STAtten'"
            )
        return config

    def official_rules(self) -> Rules:
        return official_rules()


class STAtten(SpikingModel):
    """Image → MS-SPS → blocks of chunked attention → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: STAttenConfig) -> None:
        super().__init__(config)
        dim, neuron = config.dim, config.neuron
        self.stem = config.stem.build(config.in_channels, dim, pools=config.pools, neuron=neuron)
        self.blocks = nn.Sequential(
            *(
                ResidualBlock(
                    SpikingSelfAttention(
                        dim,
                        config.heads,
                        neuron=neuron,
                        operator=ChunkedConfig(chunk=config.chunk, pool=config.event_pooling),
                        residual="membrane",
                        grid=map_size(config.img_size, config.stride),
                    ),
                    membrane_mlp(dim, round(dim * config.mlp_ratio), neuron),
                )
                for _ in range(config.depth)
            )
        )
        self.head_neuron = neuron.build(channels=dim, axis=-1)
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, config.stride, "blocks")]
        truncated_normal(self.stem)
        truncated_normal(self.blocks)

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))

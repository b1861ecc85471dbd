"""STAtten: a spike-driven transformer whose attention spans the steps of a chunk as well as the image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import torch

from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.sdsa import ChunkedConfig
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp_membrane import membrane_mlp
from spikeformers.layers.stems import MSSPSConfig, StemConfig
from spikeformers.models.base import MODELS
from spikeformers.models.isotropic import IsotropicConfig, IsotropicModel
from spikeformers.models.official import OfficialArgs
from spikeformers.models.vision.sdt_v1_weights import official_fields, official_rules
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
class STAttenConfig(IsotropicConfig):
    """STAtten on the body of Spike-driven Transformer V1. A step sees the later steps of its chunk.

    The attention's scale is the root of the number of tokens, so results depend on the resolution by more than the tokens.
    """

    causal: ClassVar[bool] = False

    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim; at 1 each of its layers has a residual of its own."""
    stem: StemConfig = MSSPSConfig()
    """From images to tokens."""
    chunk: int = 2
    """Steps that attend to each other; divides T."""
    event_pooling: bool = False
    """Whether the attention max-pools its spikes over 3×3 neighbourhoods (the event layout)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.operator.check_steps(self.timesteps)

    @property
    def operator(self) -> ChunkedConfig:
        """The attention operator of all blocks."""
        return ChunkedConfig(chunk=self.chunk, pool=self.event_pooling)

    def twin(self) -> Self:
        return self.but(neuron="relu", timesteps=1, chunk=1)

    def build(self) -> "STAtten":
        return STAtten(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        args.ignore("attn_mode", "TET", "spike_mode")
        mode = args.take("attention_mode", "STAtten")
        fields = official_fields(shapes, args, event_steps=16)
        pooling = bool(args.take("dvs_mode", fields["in_channels"] == 2))
        config = cls(**fields, chunk=args.take("chunk_size", 2), event_pooling=pooling)
        if mode != "STAtten":
            raise ConfigError(
                f"attention_mode={mode!r} is another model: load it as family 'sdt_v1' if it is 'SDT'; "
                "family 'statten' takes 'STAtten'"
            )
        return config

    def official_rules(self) -> Rules:
        return official_rules()


class STAtten(IsotropicModel):
    """Image → MS-SPS → blocks of chunked attention → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: STAttenConfig) -> None:
        stem, blocks = config.build_stem(), config.build_blocks(config.operator, membrane_mlp, residual="membrane")
        super().__init__(config, stem, blocks, dim=config.dim, stride=config.stride, head_neuron=config.neuron)
        truncated_normal(self.stem)
        truncated_normal(self.blocks)

"""Spike-driven Transformer (V1): attention without multiplication, by masks and sums of spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch

from spikeformers.core.errors import ConfigError
from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.attention.sdsa import ChunkedConfig, SDSA1Config
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.mlp_membrane import membrane_mlp
from spikeformers.layers.stems import MSSPSConfig, StemConfig
from spikeformers.models.base import MODELS, AttentiveConfig
from spikeformers.models.isotropic import IsotropicConfig, IsotropicModel
from spikeformers.models.official import OfficialArgs
from spikeformers.models.vision.sdt_v1_weights import official_fields, official_rules
from spikeformers.neurons.plif import PLIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.weights.rules import Rules

_CIFAR = {"img_size": 32, "num_classes": 10, "pools": "0011", "depth": 2}
_EVENTS = {"img_size": 64, "in_channels": 2, "timesteps": 10, "attention": SDSA1Config(pool=True)}


@MODELS.register(
    "sdt_v1",
    variants={
        "sdt_v1_tiny": {
            **(_CIFAR | _EVENTS),
            **{"img_size": 32, "pools": "1111", "dim": 64, "depth": 1, "timesteps": 4, "mlp_ratio": 2.0},
        },
        "sdt_v1_2_256": {**_CIFAR, "dim": 256},
        "sdt_v1_2_512": {**_CIFAR, "dim": 512},
        "sdt_v1_2_256_events": {**_CIFAR, **_EVENTS, "dim": 256},
        "sdt_v1_8_384": {"dim": 384},
        "sdt_v1_10_384": {"dim": 384, "depth": 10},
        "sdt_v1_6_512": {"depth": 6},
        "sdt_v1_8_512": {},
        "sdt_v1_10_512": {"depth": 10},
        "sdt_v1_8_768": {"dim": 768},
    },
    source="Yao et al., 'Spike-driven Transformer', NeurIPS 2023; BICLab/Spike-Driven-Transformer",
)
@dataclass(frozen=True, kw_only=True)
class SDTV1Config(AttentiveConfig, IsotropicConfig):
    """Spike-driven Transformer V1: MS-SPS stem, blocks of SDSA-1 and MLP on membrane residuals, spiking head."""

    heads: int = 8
    """Attention heads; SDSA-1 works channel by channel, so they only matter with its `pool` and in other operators."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim; at 1 each of its layers has a residual of its own."""
    stem: StemConfig = MSSPSConfig()
    """From images to tokens."""
    attention: AttentionConfig = SDSA1Config()
    """What queries, keys and values make of each other; the CIFAR10-DVS layout has SDSA-1 with `pool`."""

    def build(self) -> "SDTV1":
        return SDTV1(self)

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        args.ignore("attn_mode", "get_embed", "TET", "cml")
        fields = official_fields(shapes, args, event_steps=10)
        # The training script turns the pooling on for CIFAR10-DVS, not for DVS128, which alone has stages 0111.
        pooling = args.take("dvs_mode", fields["in_channels"] == 2 and fields["pools"] != "0111")
        learned = args.take("spike_mode", "lif") == "plif" or "head_lif.w" in shapes
        neuron = PLIFConfig(surrogate=Sigmoid(alpha=4.0)) if learned else cls.neuron
        return cls(**fields, neuron=neuron, attention=_attention(args, bool(pooling)))

    def official_rules(self) -> Rules:
        return official_rules()


def _attention(args: OfficialArgs, pool: bool) -> AttentionConfig:
    """The operator that STAtten's copy of this code chooses by `attention_mode`; without that argument, SDSA-1."""
    mode, chunk = args.take("attention_mode"), args.take("chunk_size", 2)
    if mode == "STAtten":
        return ChunkedConfig(chunk=chunk, pool=pool)
    if mode not in (None, "SDT"):
        raise ConfigError(f"attention_mode={mode!r} is not one of the official modes 'SDT' and 'STAtten'")
    if mode == "SDT" and pool:
        raise ConfigError("attention_mode='SDT' with dvs_mode also pools the queries, which is not covered here")
    return SDSA1Config(pool=pool)


class SDTV1(IsotropicModel):
    """Image → MS-SPS → spike-driven blocks → mean over tokens → neuron → linear head, per step."""

    def __init__(self, config: SDTV1Config) -> None:
        stem, blocks = config.build_stem(), config.build_blocks(config.attention, membrane_mlp, residual="membrane")
        super().__init__(config, stem, blocks, dim=config.dim, stride=config.stride, head_neuron=config.neuron)
        truncated_normal(self.stem)
        truncated_normal(self.blocks)

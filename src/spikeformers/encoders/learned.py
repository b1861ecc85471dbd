"""Learned coding: channels are mixed by learned weights, and integrate-and-fire neurons send the result."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Generator, Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register("learned", source="Fang et al., ICCV 2021, arXiv:2007.05785 (learned spike encoder)")
@dataclass(frozen=True, kw_only=True)
class LearnedConfig(EncoderConfig):
    r"""Spikes of integrate-and-fire neurons on learned mixtures of the channels.

    $$z=\mathrm{clip}(Wx+b,0,1),\qquad s_t=\lfloor(t+1)z+\tfrac12\rfloor-\lfloor tz+\tfrac12\rfloor$$

    This is an integrate-and-fire neuron with unit threshold, soft reset and half charge at the start. W starts as the
    identity, where it is the code `rate`. The gradient of every spike with respect to z is 1, so the sum over the steps
    has the gradient of the sum that it stands for.
    """

    channels_in: int = 3
    """Channels of the values, and of the spikes."""

    def __post_init__(self) -> None:
        if self.channels_in < 1:
            raise ConfigError(f"channels_in={self.channels_in} of a learned encoder must be at least 1")

    def channels(self, channels: int) -> int:
        if channels != self.channels_in:
            raise ConfigError(
                f"encoder 'learned' has channels_in={self.channels_in}, but the data has {channels} channels; "
                f"add --encoder.channels-in {channels}"
            )
        return channels

    def build(self) -> "Learned":
        return Learned(self)


class Learned(Encoder):
    """Trainable `weight` [C, C] and `bias` [C].

    Raises:
        ShapeError: the values have another number of channels.
    """

    config: LearnedConfig

    def __init__(self, config: LearnedConfig) -> None:
        super().__init__(config)
        self.weight = nn.Parameter(torch.eye(config.channels_in))
        self.bias = nn.Parameter(torch.zeros(config.channels_in))

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        if x.dim() < 2 or x.shape[1] != self.config.channels_in:
            raise ShapeError(
                f"a learned encoder for channels_in={self.config.channels_in} got values {tuple(x.shape)}; "
                "set channels_in to the size of their axis 1"
            )
        mixed = x.movedim(1, -1) @ self.weight.to(x.dtype).T + self.bias.to(x.dtype)
        return _Regular.apply(mixed.movedim(-1, 1).clamp(0.0, 1.0), t)


class _Regular(torch.autograd.Function):
    """Step t of the evenly spread spikes of z; its gradient with respect to z is 1."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, t: int) -> Tensor:
        wide = z.double()
        return ((wide * (t + 1) + 0.5).floor() - (wide * t + 0.5).floor()).to(z.dtype)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None

"""Learned coding: a learned intensity curve, sent by integrate-and-fire neurons."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize
from spikeformers.kernels.stepwise import stepwise


@ENCODERS.register("learned", source="after Fang et al., ICCV 2021, arXiv:2007.05785 (learned spike encoder)")
@dataclass(frozen=True, kw_only=True)
class LearnedConfig(EncoderConfig):
    r"""Spikes of integrate-and-fire neurons on a learned curve f of the value, piecewise linear between K + 1 knots.

    $$z=\mathrm{clip}(f(x),0,1),\qquad s_t=\lfloor(t+1)z+\tfrac12\rfloor-\lfloor tz+\tfrac12\rfloor$$

    This is an integrate-and-fire neuron with unit threshold, soft reset and half charge at the start. The curve starts as
    the identity, where it is the code `rate`. The gradient of every spike with respect to z is 1, so the sum over the
    steps has the gradient of the sum that it stands for. (A learned mixture of pixels and channels is what the first
    layer of a model does under the code `direct`.)
    """

    pieces: int = 8
    """Linear pieces of the curve, K."""

    def __post_init__(self) -> None:
        if self.pieces < 1:
            raise ConfigError(f"pieces={self.pieces} of a learned encoder must be at least 1")

    def build(self) -> "Learned":
        return Learned(self)


class Learned(Encoder):
    """Trainable `curve` [K + 1]: what the values 0, 1/K, …, 1 become."""

    config: LearnedConfig

    def __init__(self, config: LearnedConfig) -> None:
        super().__init__(config)
        self.curve = nn.Parameter(torch.linspace(0.0, 1.0, config.pieces + 1))

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        pieces = self.config.pieces
        left = (x.detach() * pieces).floor().long().clamp(0, pieces - 1)
        # deviations from the identity, so that an untouched curve gives x itself to the last bit
        bend = self.curve.to(x.dtype) - torch.linspace(0.0, 1.0, pieces + 1, device=x.device).to(x.dtype)
        part = x * pieces - left
        z = x + bend[left] * (1.0 - part) + bend[left + 1] * part
        return stepwise(partial(_regular, t), 1.0, z.clamp(0.0, 1.0))


def _regular(t: int, z: Tensor) -> Tensor:
    """Step t of the evenly spread spikes of z."""
    wide = z.double()
    return ((wide * (t + 1) + 0.5).floor() - (wide * t + 0.5).floor()).to(z.dtype)

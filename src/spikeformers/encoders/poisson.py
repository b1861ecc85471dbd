"""Poisson (Bernoulli) rate coding."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register("poisson", source="Heeger, 'Poisson model of spike generation', 2000; Diehl and Cook, 2015")
@dataclass(frozen=True, kw_only=True)
class PoissonConfig(EncoderConfig):
    r"""Each step fires on its own with a probability in proportion to the value, $P(s_t=1)=r_{max}\,x$."""

    max_rate: float = 1.0
    """Firing probability per step of the value 1."""

    def __post_init__(self) -> None:
        if not 0.0 < self.max_rate <= 1.0:
            raise ConfigError(f"max_rate={self.max_rate} of a Poisson encoder is a probability; give a value in (0, 1]")

    def build(self) -> "Poisson":
        return Poisson(self)


class Poisson(Encoder):
    """Independent Bernoulli spikes."""

    config: PoissonConfig

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        drawn = torch.rand(x.shape, dtype=x.dtype, device=x.device, generator=generator)
        return (drawn < self.config.max_rate * x).to(x.dtype)

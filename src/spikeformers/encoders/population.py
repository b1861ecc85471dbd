"""Population coding: several neurons share a value, each with its own receptive field."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize
from spikeformers.encoders.latency import LatencyConfig


@ENCODERS.register("population", source="Bohte, Kok and La Poutré, 'SpikeProp', Neurocomputing 2002")
@dataclass(frozen=True, kw_only=True)
class PopulationConfig(EncoderConfig):
    r"""Gaussian receptive fields: neuron i of n answers with $r_i=e^{-(x-\mu_i)^2/2\sigma^2}$, and `code` sends the answers.

    $$\mu_i=\frac{i-\frac12}{n-2}\ (i=0\dots n-1),\qquad\sigma=\frac1{\beta\,(n-2)}$$

    Each of C channels becomes n channels: [B, C, ...] → [T, B, C · n, ...], so the model has C · n input channels.
    """

    neurons: int = 8
    """Neurons per value, n, at least 3."""
    beta: float = 1.5
    """Overlap of the fields, β; larger is narrower."""
    code: EncoderConfig = LatencyConfig()
    """How an answer in [0, 1] becomes spikes."""

    def __post_init__(self) -> None:
        if self.neurons < 3:
            raise ConfigError(f"neurons={self.neurons} of a population encoder must be at least 3")
        if not self.beta > 0.0:
            raise ConfigError(f"beta={self.beta} of a population encoder must be positive")
        if isinstance(self.code, PopulationConfig):
            raise ConfigError("the code of a population encoder is one for single values, not a population again")

    def channels(self, channels: int) -> int:
        return channels * self.neurons

    def build(self) -> "Population":
        return Population(self)


class Population(Encoder):
    """Receptive fields, each answer coded on its own."""

    config: PopulationConfig

    def __init__(self, config: PopulationConfig) -> None:
        super().__init__(config)
        self.code = config.code.build()

    @property
    def centers(self) -> Tensor:
        """Preferred value of each neuron, [n]."""
        n = self.config.neurons
        return (torch.arange(n, dtype=torch.float64) - 0.5) / (n - 2)

    def answers(self, x: Tensor) -> Tensor:
        """Analog answers [B, C · n, ...]: the n neurons of one channel are neighbors.

        Raises:
            ShapeError: there is no channel axis.
        """
        if x.dim() < 2:
            raise ShapeError(f"a population encoder takes [B, C, ...]; got {tuple(x.shape)}")
        n = self.config.neurons
        centers = self.centers.to(x).view(n, *[1] * (x.dim() - 2))
        z = (x.unsqueeze(2) - centers) * (self.config.beta * (n - 2))
        return torch.exp(-0.5 * z * z).flatten(1, 2)

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        return self.code.step(self.answers(x), t, steps, None, generator)

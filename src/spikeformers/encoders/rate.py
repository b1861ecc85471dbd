"""Deterministic rate coding: evenly spread spikes."""

from dataclasses import dataclass

from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register("rate", source="Rueckauer et al., Frontiers in Neuroscience 2017 (integrate-and-fire input coding)")
@dataclass(frozen=True, kw_only=True)
class RateConfig(EncoderConfig):
    r"""Spikes as regular as the steps allow: $s_t=\lfloor (t+1)x+\phi\rfloor-\lfloor tx+\phi\rfloor$.

    This is what an integrate-and-fire neuron with unit threshold, soft reset and initial potential $\phi$ makes of the
    constant current x. In T steps it fires $\lfloor Tx+\phi\rfloor$ times.
    """

    phase: float = 0.5
    """Potential before the first step, from 0 (late spikes, count rounded down) to below 1; 0.5 rounds the count."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.phase < 1.0:
            raise ConfigError(f"phase={self.phase} of a rate encoder must lie in [0, 1)")

    def build(self) -> "Rate":
        return Rate(self)


class Rate(Encoder):
    """Regular spike trains."""

    config: RateConfig

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        wide = x.double()
        phase = self.config.phase
        return ((wide * (t + 1) + phase).floor() - (wide * t + phase).floor()).to(x.dtype)

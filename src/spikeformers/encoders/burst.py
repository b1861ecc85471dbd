"""Burst coding: the stronger the value, the more spikes and the closer together."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register(
    "burst", source="Guo et al., 'Neural coding in spiking neural networks', Frontiers in Neuroscience 2021"
)
@dataclass(frozen=True, kw_only=True)
class BurstConfig(EncoderConfig):
    r"""One burst from the first step on: $n=\lceil N x\rceil$ spikes, $\Delta=\lceil T_{max}-(T_{max}-T_{min})\,x\rceil$ apart.

    $$s_t=1\ \text{where}\ t=k\Delta,\ k<n,\qquad T_{max}=\max(\lfloor T/N\rfloor,T_{min})$$

    The value 0 never fires. Spikes that would come after the last step are lost.
    """

    max_spikes: int = 4
    """Spikes of the value 1, N."""
    min_interval: int = 1
    """Steps between two spikes of the value 1, $T_{min}$."""

    def __post_init__(self) -> None:
        for name in ("max_spikes", "min_interval"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} of a burst encoder must be at least 1")

    def build(self) -> "Burst":
        return Burst(self)


class Burst(Encoder):
    """Spikes at multiples of an interval."""

    config: BurstConfig

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        shortest = self.config.min_interval
        longest = max(steps // self.config.max_spikes, shortest)
        wide = x.double()
        spikes = torch.ceil(wide * self.config.max_spikes)
        interval = torch.ceil(longest - (longest - shortest) * wide).clamp(min=shortest)
        return ((t % interval == 0) & (t < spikes * interval)).to(x.dtype)

"""Delta modulation (temporal contrast): a spike when the signal has moved by a threshold."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register(
    "delta", source="Corradi and Indiveri, IEEE Transactions on Biomedical Circuits and Systems 2015, 9(5)"
)
@dataclass(frozen=True, kw_only=True)
class DeltaConfig(EncoderConfig):
    r"""Delta modulator: it fires +1 or -1 when the signal is a threshold away from what its spikes have told so far.

    $$s_t=[x_t-r_{t-1}\ge\theta]-[x_t-r_{t-1}\le-\theta],\qquad r_t=r_{t-1}+\theta s_t,\qquad r_{-1}=0$$

    A value that stands still fires $\lfloor x/\theta\rfloor$ times (at most once a step) and is silent then. `modulate`
    of the encoder takes signals that move.
    """

    threshold: float = 0.1
    """Change that one spike tells, θ, above 0 and at most 1."""

    def __post_init__(self) -> None:
        if not 0.0 < self.threshold <= 1.0:
            raise ConfigError(f"threshold={self.threshold} of a delta encoder must be above 0 and at most 1")

    def build(self) -> "Delta":
        return Delta(self)


class Delta(Encoder):
    """Delta modulation of a constant, in closed form, and of signals."""

    config: DeltaConfig

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        return (x.double() >= self.config.threshold * (t + 1)).to(x.dtype)

    def modulate(self, signal: Tensor, start: Tensor | None = None) -> Tensor:
        """Spikes in {-1, 0, 1} of a signal [T, ...], step by step.

        Args:
            signal: any values; a change of more than the threshold in one step is told over several.
            start: what is known before the first step, [...]; 0 by default.
        """
        told = torch.zeros_like(signal[0]) if start is None else start
        spikes = []
        for value in signal.unbind(0):
            gap = value - told
            spike = (gap >= self.config.threshold).to(value.dtype) - (gap <= -self.config.threshold).to(value.dtype)
            told = told + self.config.threshold * spike
            spikes.append(spike)
        return torch.stack(spikes)

"""Latency coding: the stronger, the sooner."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register("latency", source="Thorpe, Delorme and Van Rullen, Neural Networks 2001 (time to first spike)")
@dataclass(frozen=True, kw_only=True)
class LatencyConfig(EncoderConfig):
    r"""Time to first spike: one spike per value, at step $t^*=T-\lceil xT\rceil$; the value 0 never fires.

    The value 1 fires at the first step, and every step stands for an equal interval of values.
    """

    graded: bool = False
    """Whether a spike at step t has the height $1/(t+1)$ instead of 1, so that early spikes weigh more."""

    def build(self) -> "Latency":
        return Latency(self)


class Latency(Encoder):
    """At most one spike per value."""

    config: LatencyConfig

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        fired = torch.ceil(x.double() * steps) == steps - t
        return fired.to(x.dtype) / (t + 1 if self.config.graded else 1)

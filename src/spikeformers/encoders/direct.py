"""Direct coding: the value itself, at every step."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Generator, Tensor

from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register("direct", source="Rathi and Roy, 'DIET-SNN', TNNLS 2021, arXiv:2008.03658")
@dataclass(frozen=True, kw_only=True)
class DirectConfig(EncoderConfig):
    r"""Every step shows the normalized value, $s_t = (x-\mu)/\sigma$; the first layer of the network makes the spikes."""

    repeats: ClassVar[bool] = True

    def build(self) -> "Direct":
        return Direct(self)


class Direct(Encoder):
    """Repeats the normalized value, without copying it."""

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        return x if normalize is None else normalize(x)

"""Phase coding: the bits of the value, one at each phase of a period."""

from dataclasses import dataclass

from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.encoders.base import ENCODERS, Encoder, EncoderConfig, Normalize


@ENCODERS.register(
    "phase",
    variants={"weighted_phase": {"weighted": True}},
    source="Kim et al., 'Deep neural networks with weighted spikes', Neurocomputing 2018",
)
@dataclass(frozen=True, kw_only=True)
class PhaseConfig(EncoderConfig):
    r"""Binary digits of the value, highest first, in periods of P steps: $s_t=b_{t\bmod P}$ of $\lfloor x\,2^P\rfloor$.

    The value 1 has all bits set. Fewer steps than P send the highest bits only; more repeat the period. The variant
    `weighted_phase` gives the spike of digit b the height $2^{-(b+1)}$, so that one period sums to the value.
    """

    period: int = 8
    """Steps of one period and bits of the value, P, at most 24."""
    weighted: bool = False
    """Whether a spike is as high as its digit is worth, instead of 1."""

    def __post_init__(self) -> None:
        if not 1 <= self.period <= 24:
            raise ConfigError(f"period={self.period} of a phase encoder must be between 1 and 24 bits")

    def build(self) -> "Phase":
        return Phase(self)


class Phase(Encoder):
    """Bit planes."""

    config: PhaseConfig

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        period = self.config.period
        digit = t % period
        whole = (x.double() * 2**period).floor().clamp(max=2**period - 1).long()
        bit = ((whole >> (period - 1 - digit)) & 1).to(x.dtype)
        return bit * 2.0 ** -(digit + 1) if self.config.weighted else bit

"""Leaky integrate-and-fire with an adaptive threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_fraction, check_positive, reset
from spikeformers.neurons.surrogate import SurrogateConfig, Triangle


@NEURONS.register("alif", source="Bellec et al., Nature Communications 2020, doi:10.1038/s41467-020-17236-y")
@dataclass(frozen=True, kw_only=True)
class ALIFConfig(ScanConfig):
    r"""Adaptive LIF: every spike raises the threshold, which then sinks back.

    $$h_t=\alpha\,v_{t-1}+x_t,\qquad y_t=\Theta(h_t-v_{th}-\beta a_{t-1}),\qquad a_t=\rho\,a_{t-1}+y_t,\qquad
      v_t=h_t-y_tv_{th},\ (1-y_t)h_t+y_tv_{reset}\ \text{or}\ h_t$$
    """

    decay: float = 0.9
    """Part of the potential that is left after one step, α."""
    decay_adaptation: float = 0.95
    """Part of the adaptation that is left after one step, ρ."""
    adaptation: float = 0.2
    """How far one spike raises the threshold, β."""
    v_threshold: float = 1.0
    """Firing threshold at rest, and what the soft reset subtracts."""
    v_reset: float | None = None
    """Potential after a spike (hard reset); None subtracts the threshold instead (soft reset)."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Triangle()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("alif", v_threshold=self.v_threshold)
        check_fraction("alif", decay=self.decay, decay_adaptation=self.decay_adaptation)

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0, "a": 0.0}

    def step(self, ops: Any, x: Any, v: Any, a: Any) -> tuple[Any, dict[str, Any]]:
        h = v * self.decay + x
        y = ops.spike(h - (self.v_threshold + self.adaptation * a), self.strict)
        v = reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset)
        return y, {"v": v, "a": a * self.decay_adaptation + y}

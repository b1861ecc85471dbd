"""Quadratic integrate-and-fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("qif", source="Ermentrout and Kopell, SIAM Journal on Applied Mathematics 1986, 46(2)")
@dataclass(frozen=True, kw_only=True)
class QIFConfig(ScanConfig):
    r"""Quadratic integrate-and-fire neuron: below the critical potential it falls back to rest, above it runs away.

    $$h_t=v_{t-1}+\frac1\tau\big(x_t+a_0(v_{t-1}-v_{rest})(v_{t-1}-v_c)\big),\qquad
      y_t=\Theta(h_t-v_{th}),\qquad v_t=(1-y_t)h_t+y_tv_{reset}\ \text{or}\ h_t-y_tv_{th}$$

    Equal to SpikingJelly `QIFNode` (`a0` is `curvature`, `v_c` is `v_critical`).
    """

    tau: float = 2.0
    """Membrane time constant in steps."""
    curvature: float = 1.0
    """Strength of the quadratic term, a₀."""
    v_critical: float = 0.8
    """Potential above which the neuron fires without input, $v_c$."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_rest: float = 0.0
    """Resting potential."""
    v_reset: float | None = -0.1
    """Potential after a spike (hard reset) and before the first step; None subtracts the threshold instead (soft reset,
    from 0)."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("qif", tau=self.tau, curvature=self.curvature)

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v + (x + self.curvature * (v - self.v_rest) * (v - self.v_critical)) / self.tau
        y = ops.spike(h - self.v_threshold, self.strict)
        return y, {"v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset)}

"""Adaptive exponential integrate-and-fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("adex", source="Brette and Gerstner, Journal of Neurophysiology 2005, 94(5)")
@dataclass(frozen=True, kw_only=True)
class AdExConfig(ScanConfig):
    r"""Adaptive exponential integrate-and-fire neuron (AdEx): an exponential one with an adaptation current.

    $$h_t=v_{t-1}+\frac1\tau\Big(x_t-(v_{t-1}-v_{rest})+\Delta\,e^{(v_{t-1}-\vartheta)/\Delta}-w_{t-1}\Big),\qquad
      y_t=\Theta(h_t-v_{th}),$$
    $$w_t=w_{t-1}+\frac1{\tau_w}\big(a\,(v_{t-1}-v_{rest})-w_{t-1}\big)+b\,y_t,\qquad
      v_t=(1-y_t)h_t+y_tv_{reset}\ \text{or}\ h_t-y_tv_{th}$$
    """

    tau: float = 2.0
    """Membrane time constant in steps."""
    sharpness: float = 1.0
    """Width of the exponential onset, Δ."""
    v_rheobase: float = 0.8
    """Potential at which the exponential takes over, ϑ."""
    tau_adaptation: float = 10.0
    """Time constant of the adaptation current in steps, $τ_w$."""
    coupling: float = 0.1
    """How strongly the adaptation current follows the potential, a."""
    jump: float = 0.2
    """What one spike adds to the adaptation current, b."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_rest: float = 0.0
    """Resting potential of the leak."""
    v_reset: float | None = -0.1
    """Potential after a spike (hard reset) and before the first step; None subtracts the threshold instead (soft reset,
    from 0)."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset of the potential."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("adex", tau=self.tau, sharpness=self.sharpness, tau_adaptation=self.tau_adaptation)

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0, "w": 0.0}

    def step(self, ops: Any, x: Any, v: Any, w: Any) -> tuple[Any, dict[str, Any]]:
        onset = self.sharpness * ops.exp((v - self.v_rheobase) / self.sharpness)
        h = v + (x + self.v_rest - v + onset - w) / self.tau
        y = ops.spike(h - self.v_threshold, self.strict)
        w = w + (self.coupling * (v - self.v_rest) - w) / self.tau_adaptation + self.jump * y
        return y, {"v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset), "w": w}

"""Izhikevich's neuron: quadratic integrate-and-fire with a recovery current."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("izhikevich", source="Izhikevich, IEEE Transactions on Neural Networks 2003, 14(6)")
@dataclass(frozen=True, kw_only=True)
class IzhikevichConfig(ScanConfig):
    r"""Izhikevich neuron in its general form.

    $$h_t=v_{t-1}+\frac1\tau\big(x_t+a_0(v_{t-1}-v_{rest})(v_{t-1}-v_c)-w_{t-1}\big),\qquad y_t=\Theta(h_t-v_{th}),$$
    $$w_t=w_{t-1}+\frac1{\tau_w}\big(a\,(h_t-v_{rest})-w_{t-1}\big)+b\,y_t,\qquad
      v_t=(1-y_t)h_t+y_tv_{reset}\ \text{or}\ h_t-y_tv_{th}$$

    Equal to SpikingJelly `IzhikevichNode` (`a0`: `curvature`, `v_c`: `v_critical`, `a`: `coupling`, `b`: `jump`).
    """

    tau: float = 2.0
    """Membrane time constant in steps."""
    curvature: float = 1.0
    """Strength of the quadratic term, a₀."""
    v_critical: float = 0.8
    """Potential above which the neuron fires without input, $v_c$."""
    tau_recovery: float = 2.0
    """Time constant of the recovery current in steps, $τ_w$."""
    coupling: float = 0.1
    """How strongly the recovery current follows the potential, a."""
    jump: float = 0.2
    """What one spike adds to the recovery current, b."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_rest: float = -0.1
    """Resting potential."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and before the first step; None subtracts the threshold instead (soft reset,
    from 0)."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset of the potential."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("izhikevich", tau=self.tau, curvature=self.curvature, tau_recovery=self.tau_recovery)

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0, "w": 0.0}

    def step(self, ops: Any, x: Any, v: Any, w: Any) -> tuple[Any, dict[str, Any]]:
        h = v + (x + self.curvature * (v - self.v_rest) * (v - self.v_critical) - w) / self.tau
        y = ops.spike(h - self.v_threshold, self.strict)
        w = w + (self.coupling * (h - self.v_rest) - w) / self.tau_recovery + self.jump * y
        return y, {"v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset), "w": w}

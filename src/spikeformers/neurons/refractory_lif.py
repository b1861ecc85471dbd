"""Leaky integrate-and-fire that rests after a spike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("refractory_lif", source="Gerstner et al., Neuronal Dynamics, Cambridge University Press 2014, 1.3")
@dataclass(frozen=True, kw_only=True)
class RefractoryLIFConfig(ScanConfig):
    r"""LIF with an absolute refractory period: after a spike it ignores its input for r steps.

    $$h_t=\begin{cases}v_{t-1}+\frac{x_t-(v_{t-1}-v_{reset})}{\tau}&n_{t-1}=0\\v_{reset}&\text{else}\end{cases},\qquad
      y_t=[n_{t-1}=0]\,\Theta(h_t-v_{th}),\qquad n_t=r\ \text{after a spike, else}\ \max(n_{t-1}-1,0)$$
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    refractory: int = 2
    """Silent steps after a spike, r."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float = 0.0
    """Potential after a spike and at rest."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'refractory_lif' must be above 1")
        if self.refractory < 1:
            raise ConfigError(f"refractory={self.refractory} must be at least 1 step (use the neuron 'lif' for none)")

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset, "wait": 0.0}

    def step(self, ops: Any, x: Any, v: Any, wait: Any) -> tuple[Any, dict[str, Any]]:
        h = ops.where(wait > 0.0, self.v_reset, v + (x - (v - self.v_reset)) / self.tau)
        y = ops.where(wait > 0.0, 0.0, ops.spike(h - self.v_threshold, self.strict))
        s = ops.detach(y) if self.detach_reset else y
        left = ops.where(y > 0.0, float(self.refractory), ops.maximum(wait - 1.0, 0.0))
        return y, {"v": (1.0 - s) * h + s * self.v_reset, "wait": left}

"""Gated leaky integrate-and-fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import logit
from spikeformers.neurons.surrogate import Rectangle, SurrogateConfig


@NEURONS.register("glif", source="Yao et al., NeurIPS 2022, arXiv:2210.13768; Ikarosy/Gated-LIF")
@dataclass(frozen=True, kw_only=True)
class GLIFConfig(ScanConfig):
    r"""Gated LIF: three learned gates mix two kinds of leak, of integration and of reset.

    $$h_t=(1-\alpha(1-\tau))\,h_{t-1}(1-\gamma y_{t-1})-(1-\alpha)\,l+(1-\beta(1-c))\,x_t-(1-\gamma)\,r\,y_{t-1},\qquad
      y_t=\Theta(h_t-v_{th})$$

    All eight symbols are learned through a sigmoid. The official code also learns a conductance c for each step; here
    it is shared over the steps, so the neuron runs for any T. For one conductance at every step it equals
    SpikingJelly `GatedLIFNode`.
    """

    init_tau: float = 0.25
    """Exponential decay factor before training, τ."""
    v_threshold: float = 0.5
    """Firing threshold before training."""
    init_leak: float = 0.0625
    """Linear leak for each step before training, l."""
    init_subreset: float = 0.5
    """Linear reset before training, r."""
    init_conductance: float = 0.5
    """Input conductance before training, c."""
    init_leak_gate: float = 0.5
    """Gate between linear (0) and exponential (1) leak before training, α."""
    init_input_gate: float = 0.5
    """Gate between plain (0) and conductance-weighted (1) input before training, β."""
    init_reset_gate: float = 0.5
    """Gate between linear (0) and exponential (1) reset before training, γ."""
    channelwise: bool = False
    """One value of everything learned per channel instead of one per layer."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    surrogate: SurrogateConfig = Rectangle()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        for name, value in self._initial().items():
            if not 0.0 < value < 1.0:
                raise ConfigError(f"{name}={value} of the neuron 'glif' must be between 0 and 1")

    def _initial(self) -> dict[str, float]:
        return {
            "tau": self.init_tau,
            "threshold": self.v_threshold,
            "leak": self.init_leak,
            "subreset": self.init_subreset,
            "conductance": self.init_conductance,
            "alpha": self.init_leak_gate,
            "beta": self.init_input_gate,
            "gamma": self.init_reset_gate,
        }

    def states(self) -> Mapping[str, float]:
        return {"v": 0.0, "s": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {name: logit(value) for name, value in self._initial().items()}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, v: Any, s: Any, **learned: Any) -> tuple[Any, dict[str, Any]]:
        g = {name: ops.sigmoid(value) for name, value in learned.items()}
        kept = (1.0 - g["alpha"] * (1.0 - g["tau"])) * v
        h = kept - (1.0 - g["alpha"]) * g["leak"] + x * (1.0 - g["beta"] * (1.0 - g["conductance"]))
        h = h - kept * g["gamma"] * s - (1.0 - g["gamma"]) * g["subreset"] * s
        y = ops.spike(h - g["threshold"], self.strict)
        return y, {"v": h, "s": y}

"""Leaky integrate, analog fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import reset
from spikeformers.neurons.surrogate import Rectangle, SurrogateConfig


@NEURONS.register("liaf", source="Wu et al., TNNLS 2021, arXiv:2011.06176; lyh983012/ES-imagenet-master")
@dataclass(frozen=True, kw_only=True)
class LIAFConfig(ScanConfig):
    r"""LIAF: the potential charges and resets as that of a LIF, but what leaves the neuron is analog.

    $$h_t=v_{t-1}+\frac{x_t-(v_{t-1}-v_{reset})}{\tau},\qquad s_t=\Theta(h_t-v_{th}),\qquad
      y_t=\max(0,h_t)\ \text{or}\ \max(0,h_t-v_{th}),\qquad v_t=(1-s_t)h_t+s_tv_{reset},\ h_t-s_tv_{th}\ \text{or}\ h_t$$

    Equal to SpikingJelly `LIAFNode(act=relu, threshold_related=above_threshold)`.
    """

    spiking: ClassVar[bool] = False

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    above_threshold: bool = False
    """Whether only what exceeds the threshold leaves the neuron."""
    v_threshold: float = 0.5
    """Threshold of the reset."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset)."""
    decay_input: bool = True
    """Whether the input is divided by tau too."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold does not reset."""
    detach_reset: bool = False
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Rectangle()
    """Stand-in for the derivative of the reset."""

    def __post_init__(self) -> None:
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'liaf' must be above 1")

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        rest = v if self.v_reset is None else v - self.v_reset
        h = v + (x - rest) / self.tau if self.decay_input else v - rest / self.tau + x
        s = ops.spike(h - self.v_threshold, self.strict)
        u = h - self.v_threshold if self.above_threshold else h
        y = ops.where(u <= 0.0, 0.0, u)
        return y, {"v": reset(ops, h, s, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset)}

"""LIF with a learned scale between charge and fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import leak, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("klif", source="Jiang and Zhang, 2023, arXiv:2302.09238")
@dataclass(frozen=True, kw_only=True)
class KLIFConfig(ScanConfig):
    r"""KLIF: the charged potential is scaled by a learned k, which sets the slope of the surrogate, and rectified.

    $$h_t=v_{t-1}+\frac{x_t-(v_{t-1}-v_{reset})}{\tau},\qquad u_t=\max(0,k\,h_t),\qquad y_t=\Theta(u_t-v_{th}),\qquad
      v_t=(1-y_t)u_t+y_tv_{reset},\ u_t-y_tv_{th}\ \text{or}\ u_t$$

    With `scale_reset` the potential is divided by k again before the reset. Equal to SpikingJelly `KLIFNode`.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    init_k: float = 1.0
    """Scale before training, k."""
    scale_reset: bool = False
    """Whether the scale is undone in the potential that is kept."""
    channelwise: bool = False
    """One learned scale per channel instead of one per layer."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset)."""
    decay_input: bool = True
    """Whether the input is divided by tau too."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'klif' must be above 1")

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"k": self.init_k}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, v: Any, k: Any) -> tuple[Any, dict[str, Any]]:
        h = leak(v, x, 1.0 / self.tau, self.v_reset, self.decay_input)
        u = ops.where(k * h > 0.0, k * h, 0.0 * h)
        y = ops.spike(u - self.v_threshold, self.strict)
        kept, threshold = (u / k, self.v_threshold / k) if self.scale_reset else (u, self.v_threshold)
        return y, {"v": reset(ops, kept, y, threshold, self.v_reset, self.detach_reset, self.no_reset)}

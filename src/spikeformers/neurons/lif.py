"""Leaky integrate-and-fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("lif", source="Fang et al., Science Advances 2023, arXiv:2310.16620; fangwei123456/spikingjelly")
@dataclass(frozen=True, kw_only=True)
class LIFConfig(ScanConfig):
    r"""Leaky integrate-and-fire neuron.

    $$h_t = v_{t-1} + \frac{x_t-(v_{t-1}-v_{reset})}{\tau}\ \text{(damped input) or}\
      h_t = v_{t-1}-\frac{v_{t-1}-v_{reset}}{\tau}+x_t,\qquad y_t=\Theta(h_t-v_{th}),\qquad
      v_t=(1-y_t)h_t+y_tv_{reset},\ h_t-y_tv_{th}\ \text{(soft) or}\ h_t\ \text{(none)}$$
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset, rest at 0)."""
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
            raise ConfigError(f"tau={self.tau} of a LIF neuron must be above 1 (use the neuron 'if' for no leak)")

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        rest = v if self.v_reset is None else v - self.v_reset
        h = v + (x - rest) / self.tau if self.decay_input else v - rest / self.tau + x
        y = ops.spike(h - self.v_threshold, self.strict)
        return y, {"v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset)}

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`LIF` with tau = tau·dt, v_leak = v_reset, r = 1 (tau where the input is not damped); hard reset only."""
        return nir.leaky(
            1.0 / self.tau,
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            no_reset=self.no_reset,
            strict=self.strict,
            decay_input=self.decay_input,
            dt=dt,
        )

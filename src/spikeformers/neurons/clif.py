"""LIF with a complementary potential that remembers spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.surrogate import Rectangle, SurrogateConfig


@NEURONS.register("clif", source="Huang et al., ICML 2024, arXiv:2402.04663; HuuYuLong/Complementary-LIF")
@dataclass(frozen=True, kw_only=True)
class CLIFConfig(ScanConfig):
    r"""Complementary LIF: frequent spikes deepen the reset, which opens a second path for the gradient through time.

    $$h_t=v_{t-1}-\frac{v_{t-1}}{\tau}+x_t,\qquad y_t=\Theta(h_t-v_{th}),\qquad
      m_t=m_{t-1}\,\sigma\Big(\frac{h_t}{\tau}\Big)+y_t,\qquad v_t=h_t-y_t\,(v_{th}+\sigma(m_t))$$

    Equal to SpikingJelly `ComplementaryLIFNode`.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    v_threshold: float = 1.0
    """Firing threshold."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = False
    """Whether the gradient ignores the spike in the reset (the path through the complementary potential stays)."""
    surrogate: SurrogateConfig = Rectangle()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'clif' must be above 1")

    def states(self) -> Mapping[str, float]:
        return {"v": 0.0, "m": 0.0}

    def step(self, ops: Any, x: Any, v: Any, m: Any) -> tuple[Any, dict[str, Any]]:
        h = v - v / self.tau + x
        y = ops.spike(h - self.v_threshold, self.strict)
        m = m * ops.sigmoid(h / self.tau) + y
        s = ops.detach(y) if self.detach_reset else y
        return y, {"v": h - s * (self.v_threshold + ops.sigmoid(m)), "m": m}

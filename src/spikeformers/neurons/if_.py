"""Integrate-and-fire."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("if", source="Fang et al., Science Advances 2023, arXiv:2310.16620; fangwei123456/spikingjelly")
@dataclass(frozen=True, kw_only=True)
class IFConfig(ScanConfig):
    r"""Integrate-and-fire neuron, without leak.

    $$h_t=v_{t-1}+x_t,\qquad y_t=\Theta(h_t-v_{th}),\qquad v_t=(1-y_t)h_t+y_tv_{reset},\ h_t-y_tv_{th}\ \text{or}\ h_t$$
    """

    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset); None subtracts the threshold instead (soft reset)."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v + x
        y = ops.spike(h - self.v_threshold, self.strict)
        return y, {"v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset)}

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`IF` with r = 1/dt; hard reset only."""
        return nir.integrator(
            v_threshold=self.v_threshold, v_reset=self.v_reset, no_reset=self.no_reset, strict=self.strict, dt=dt
        )

"""Leaky integrate-and-fire with a synaptic current."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_fraction, check_positive, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("cuba_lif", source="Zenke and Ganguli, Neural Computation 2018, arXiv:1705.11146")
@dataclass(frozen=True, kw_only=True)
class CubaLIFConfig(ScanConfig):
    r"""Current-based LIF: the input charges a synaptic current, and that the membrane.

    $$i_t=\alpha\,i_{t-1}+x_t,\qquad h_t=\beta\,v_{t-1}+i_t,\qquad y_t=\Theta(h_t-v_{th}),\qquad
      v_t=(1-y_t)h_t+y_tv_{reset},\ h_t-y_tv_{th}\ \text{or}\ h_t$$

    Equal to SpikingJelly `CUBALIFNode(c_decay=α, v_decay=β)` and, with `strict=True`, to snnTorch
    `Synaptic(alpha=α, beta=β, reset_delay=False)` (`reset_mechanism` "subtract": `v_reset=None`).
    """

    decay_synapse: float = 0.5
    """Part of the synaptic current that is left after one step, α."""
    decay: float = 0.75
    """Part of the potential that is left after one step, β."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset); None subtracts the threshold instead (soft reset)."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("cuba_lif", v_threshold=self.v_threshold)
        check_fraction("cuba_lif", decay_synapse=self.decay_synapse, decay=self.decay)

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0, "i": 0.0}

    def step(self, ops: Any, x: Any, v: Any, i: Any) -> tuple[Any, dict[str, Any]]:
        current = i * self.decay_synapse + x
        h = v * self.decay + current
        y = ops.spike(h - self.v_threshold, self.strict)
        return y, {
            "v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset),
            "i": current,
        }

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`CubaLIF` with tau_syn = dt/(1-α), tau_mem = dt/(1-β), w_in = 1/(1-α), r = 1/(1-β); hard reset only."""
        return nir.cuba_lif(
            self.decay_synapse,
            self.decay,
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            no_reset=self.no_reset,
            strict=self.strict,
            dt=dt,
        )

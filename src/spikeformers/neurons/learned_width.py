"""LIF that learns the width of its surrogate."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive, leak, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("learned_width_lif", source="Lian et al., IJCAI 2023")
@dataclass(frozen=True, kw_only=True)
class LearnedWidthLIFConfig(ScanConfig):
    r"""LIF with learnable surrogate gradient (LSG): spikes forward, the surrogate's primitive P backward.

    $$h_t=v_{t-1}+\frac{x_t-(v_{t-1}-v_{reset})}{\tau},\qquad y_t=\Theta(h_t-v_{th}),\qquad
      \nabla y_t:=\nabla P\Big(\frac{h_t-v_{th}}{|w|}\Big)$$

    The width w is learned by the gradient of P. At width 1 it is a LIF.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    init_width: float = 1.0
    """Width of the surrogate before training, in units of its own, w."""
    channelwise: bool = False
    """One learned width per channel instead of one per layer."""
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
    """Shape of the surrogate."""

    def __post_init__(self) -> None:
        check_positive("learned_width_lif", init_width=self.init_width)
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'learned_width_lif' must be above 1")

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"width": self.init_width}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, v: Any, width: Any) -> tuple[Any, dict[str, Any]]:
        h = leak(v, x, 1.0 / self.tau, self.v_reset, self.decay_input)
        u = h - self.v_threshold
        smooth = self.surrogate.primitive(ops, u / ops.abs(width))
        y = ops.through(ops.spike(ops.detach(u), self.strict), smooth)
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

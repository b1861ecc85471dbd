"""Neurons that fire spikes of both signs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_fraction, check_positive
from spikeformers.neurons.surrogate import Rectangle, Sigmoid, SurrogateConfig


@NEURONS.register(
    "ternary",
    variants={
        "negif": {
            "decay": 1.0,
            "v_negative": 0.5,
            "margin": 1e-3,
            "detach_reset": False,
            "surrogate": Sigmoid(),
        },
    },
    source="Guo et al., AAAI 2024, arXiv:2312.06372; yfguo91/Ternary-Spike. "
    "NegIF: Fang et al., ECCV 2024, arXiv:2403.11138; bic-L/Spiking-Wavelet-Transformer",
)
@dataclass(frozen=True, kw_only=True)
class TernaryConfig(ScanConfig):
    r"""Leaky neuron with spikes in $\{-1,0,1\}$.

    $$h_t=d\,v_{t-1}+x_t,\qquad y_t=\Theta(h_t-v_{th})-\Theta\big(-(h_t+v_{neg}+m)\big),\qquad
      v_t=(1-|y_t|)\,h_t\ \text{(hard) or}\ h_t-v_{th}[y_t>0]+v_{neg}[y_t<0]\ \text{(soft) or}\ h_t\ \text{(none)}$$

    The variant `negif` is the NegIF of SWformer: no leak, thresholds 1 and -(0.5 + 0.001), gradient through the reset.
    With the soft reset a negative spike moves the potential back towards zero.
    """

    decay: float = 0.25
    """Part of the potential that is left after one step, d; 1 does not leak."""
    v_threshold: float = 1.0
    """Potential from which on +1 fires."""
    v_negative: float = 1.0
    """Depth below zero from which on -1 fires."""
    margin: float = 0.0
    """Added to `v_negative` when firing, so that symmetric inputs do not fire both ways, m."""
    strict: bool = False
    """Whether a potential equal to a threshold stays silent."""
    reset: Literal["hard", "soft", "none"] = "hard"
    """hard sets the potential to 0 after a spike of either sign; soft moves it by the threshold that was crossed; none leaves
    it."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Rectangle()
    """Stand-in for the derivative of both steps."""

    def __post_init__(self) -> None:
        check_positive("ternary", v_threshold=self.v_threshold, v_negative=self.v_negative)
        check_fraction("ternary", decay=self.decay)

    def states(self) -> Mapping[str, float]:
        return {"v": 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v + x if self.decay == 1.0 else v * self.decay + x
        up = ops.spike(h - self.v_threshold, self.strict)
        down = ops.spike(-(h + self.v_negative + self.margin), self.strict)
        y = up - down
        if self.reset == "none":
            return y, {"v": h}
        if self.reset == "hard":
            fired = ops.abs(y)
            return y, {"v": (1.0 - (ops.detach(fired) if self.detach_reset else fired)) * h}
        moved = up * self.v_threshold - down * self.v_negative
        return y, {"v": h - (ops.detach(moved) if self.detach_reset else moved)}

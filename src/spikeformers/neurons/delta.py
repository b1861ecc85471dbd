"""Delta activation: quantize, and send only what changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive


@NEURONS.register("delta", source="Yousefzadeh and Sifalakis, 2021, arXiv:2107.07305")
@dataclass(frozen=True, kw_only=True)
class DeltaConfig(ScanConfig):
    r"""Delta activation layer: the difference of the quantized input from the step before, graded.

    $$q_t=D\,\mathrm{round}\Big(\frac{x_t}{D}\Big),\qquad y_t=q_t-q_{t-1},\qquad q_0=0$$

    Summed over the steps the output is the quantized input again, so $Wq_t=\sum_{s\le t}Wy_s$ holds exactly for linear
    layers without bias. The rounding passes its gradient straight through.
    """

    init_step: float = 0.1
    """Quantization step before training, D."""
    step_gradient: Literal["official", "lsq"] = "official"
    """How the step learns: official flips the sign of the multiplier's gradient and gives the divisor none, so that a
    penalty on the output makes the step grow; lsq is the plain derivative with the rounding passed through."""
    channelwise: bool = False
    """One learned step per channel instead of one per layer."""

    def __post_init__(self) -> None:
        check_positive("delta", init_step=self.init_step)

    def states(self) -> Mapping[str, float]:
        return {"q": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"size": self.init_step}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, q: Any, size: Any) -> tuple[Any, dict[str, Any]]:
        d = ops.abs(size)
        if self.step_gradient == "official":
            now = ops.round_half_even(x / ops.detach(d)) * (2.0 * ops.detach(d) - d)
        else:
            now = ops.round_half_even(x / d) * d
        return now - q, {"q": now}

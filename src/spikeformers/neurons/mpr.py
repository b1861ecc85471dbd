"""IF with rectified membrane potential."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_fraction, check_positive
from spikeformers.neurons.surrogate import StraightThrough, SurrogateConfig


@NEURONS.register("mpr", source="Guo et al., ECCV 2022, arXiv:2307.04356; yfguo91/Re-Loss")
@dataclass(frozen=True, kw_only=True)
class MPRConfig(ScanConfig):
    r"""Soft reset with membrane potential rectification (MPR): φ pushes the potential towards 0 and 1 before firing.

    $$h_t=d\,v_{t-1}+x_t,\qquad y_t=[\varphi(h_t)>v_{th}],\qquad v_t=h_t-y_t,$$
    $$\varphi(h)=1-\sqrt[3]{1-h}\ (h<0),\qquad \frac{\tanh k(h-c)}{2\tanh kc}+\frac12\ (0\le h\le1),\qquad
      \sqrt[3]h\ (h>1)$$

    The rectified copy is used for firing only. With c = 0.5 and threshold 0.5 the spikes are those without φ; what
    changes is the gradient, which flows through φ.
    """

    decay: float = 1.0
    """Part of the potential that is left after one step, d; 1 does not leak."""
    center: float = 0.5
    """Potential that φ leaves in the middle, c."""
    steepness: float = 3.0
    """How hard φ pushes, k."""
    v_threshold: float = 0.5
    """Threshold of the rectified potential."""
    strict: bool = True
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = False
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = StraightThrough()
    """Stand-in for the derivative of the spike, at φ(h) - v_threshold."""

    def __post_init__(self) -> None:
        check_fraction("mpr", decay=self.decay)
        check_positive("mpr", center=self.center, steepness=self.steepness)

    def states(self) -> Mapping[str, float]:
        return {"v": 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v * self.decay + x
        y = ops.spike(self._rectified(ops, h) - self.v_threshold, self.strict)
        return y, {"v": h - (ops.detach(y) if self.detach_reset else y)}

    def _rectified(self, ops: Any, h: Any) -> Any:
        # of at least 1, so that no branch takes the logarithm of what another is for
        size = ops.where(h < 0.0, 1.0 - h, ops.maximum(h, 1.0))
        root = ops.exp(ops.log(size) / 3.0)
        middle = ops.tanh(self.steepness * (h - self.center)) * (0.5 / math.tanh(self.steepness * self.center)) + 0.5
        return ops.where(h < 0.0, 1.0 - root, ops.where(h > 1.0, root, middle))

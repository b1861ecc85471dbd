"""Generalized integrate-and-fire: several integrate-and-fire steps merged into one multi-level spike."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive


@NEURONS.register("gif", source="Xing et al., ICLR 2025, arXiv:2407.04752; Xingrun-Xing2/SpikeLLM")
@dataclass(frozen=True, kw_only=True)
class GIFConfig(ScanConfig):
    r"""Generalized integrate-and-fire neuron of SpikeLLM.

    $$h_t=v_{t-1}+x_t,\qquad s_t=\mathrm{clip}\Big(\Big\lfloor\frac{h_t}{v_{th}}\Big\rfloor,0,L-1\Big),\qquad
      v_t=h_t-s_tv_{th},\qquad y_t=s_tv_{th}$$

    The floor passes its gradient straight through. The output is in units of the input; divided by `v_threshold` it is
    the spike count, which `multispike.unroll` turns into L - 1 binary steps.
    """

    levels: int = 16
    """Number of output levels, L; the largest count is one less."""
    v_threshold: float = 0.125
    """Potential that is worth one spike."""
    init_charge: float = 0.5
    """Potential before the first step, in thresholds; 0.5 turns the floor into rounding."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""

    def __post_init__(self) -> None:
        check_positive("gif", v_threshold=self.v_threshold)
        if self.levels < 2:
            raise ConfigError(f"levels={self.levels} of the neuron 'gif' must be at least 2 (silence and one spike)")

    def spike_unit(self) -> float:
        return self.v_threshold

    def states(self) -> Mapping[str, float]:
        return {"v": self.init_charge * self.v_threshold}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v + x
        s = ops.clamp(ops.floor(h / self.v_threshold), 0.0, float(self.levels - 1))
        y = s * self.v_threshold
        return y, {"v": h - (ops.detach(y) if self.detach_reset else y)}

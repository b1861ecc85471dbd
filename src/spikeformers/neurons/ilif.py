"""Leaky integrate-and-fire with integer spikes in training and binary spikes at inference."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_fraction, check_positive, quantize
from spikeformers.neurons.multispike import Rounding


@NEURONS.register(
    "ilif",
    variants={
        "nilif": {"normalize": True},
        "ilif_e3dsnn": {"rounding": "half_up"},
    },
    source="Luo et al., ECCV 2024, arXiv:2407.20708; BICLab/SpikeYOLO. "
    "NI-LIF: Lei et al., AAAI 2025, arXiv:2412.14587; BICLab/Spike2Former",
)
@dataclass(frozen=True, kw_only=True)
class ILIFConfig(ScanConfig):
    r"""Integer LIF (I-LIF), and with `normalize` its normalized form (NI-LIF).

    $$h_t=d\,v_{t-1}+x_t,\qquad s_t=\mathrm{round}\big(\mathrm{clip}(h_t/v_{th},0,D)\big),\qquad
      v_t=h_t-s_t\,v_{th},\qquad y_t=s_t\ \text{or}\ s_t/D$$

    The gradient of $s$ is $1/v_{th}$ where $0\le h/v_{th}\le D$. The charge $d\,(h_{t-1}-s_{t-1})+x_t$ of the official
    code is this one written from the potential before the reset. `conversion.unroll_model` runs a network in binary spikes. Equal to
    SpikingJelly `ILIFNode` with `MultiLevelSpikeCount(levels)` for $d=1-1/\tau$.
    """

    decay: float = 0.25
    """Part of the potential that is left after one step, d; 1 does not leak."""
    decay_input: bool = False
    """Whether the input is multiplied by 1 - decay (a LIF with tau = 1 / (1 - decay))."""
    levels: int = 4
    """Largest number of spikes in one step, D."""
    v_threshold: float = 1.0
    """Potential that is worth one spike, and what each spike subtracts."""
    rounding: Rounding = "half_even"
    """Where a half goes: half_even (0.5 → 0, 1.5 → 2) or half_up (0.5 → 1, 1.5 → 2)."""
    normalize: bool = False
    """Whether the output is the count divided by `levels`, between 0 and 1."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""

    def __post_init__(self) -> None:
        check_positive("ilif", levels=self.levels, v_threshold=self.v_threshold)
        check_fraction("ilif", decay=self.decay)

    def spike_unit(self) -> float:
        return 1.0 / self.levels if self.normalize else 1.0

    def states(self) -> Mapping[str, float]:
        return {"v": 0.0}

    def step(self, ops: Any, x: Any, v: Any) -> tuple[Any, dict[str, Any]]:
        h = v * self.decay + (x * (1.0 - self.decay) if self.decay_input else x)
        s = quantize(ops, h / self.v_threshold, self.levels, self.rounding, closed=True)
        spent = ops.detach(s) if self.detach_reset else s
        return s / self.levels if self.normalize else s, {"v": h - spent * self.v_threshold}

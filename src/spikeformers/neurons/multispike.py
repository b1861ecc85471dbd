"""Integer activations of one virtual step, and their exact unrolling to binary spikes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive, quantize

Rounding = Literal["half_even", "half_up"]


@NEURONS.register(
    "multispike",
    variants={
        "ie_lif": {"v_threshold": 0.25, "rounding": "half_up", "closed": False},
        "ie_lif_attention": {"v_threshold": 0.25, "norm": 2.0, "rounding": "half_up", "closed": False},
    },
    source="Yao et al., T-PAMI 2025, arXiv:2411.16061; BICLab/Spike-Driven-Transformer-V3. "
    "Qiu et al., ICLR 2025, arXiv:2501.13492; bollossom/QSD-Transformer",
)
@dataclass(frozen=True, kw_only=True)
class MultiSpikeConfig(ScanConfig):
    r"""Integer spikes without memory: what D binary steps of a constant input would count.

    $$y=\frac1n\,\mathrm{round}\Big(\mathrm{clip}\big(\tfrac{x}{v_{th}},\,0,\,D\big)\Big),\qquad
      \frac{\partial y}{\partial x}=\frac{1}{n\,v_{th}}\ \text{inside, else}\ 0$$

    Defaults are the neuron of Spike-driven Transformer V3; the variants `ie_lif` and `ie_lif_attention` those of
    QSD-Transformer, $\lfloor\mathrm{clip}(4x,0,4)+\frac12\rfloor/4$ and the same over 2. At inference `unroll` gives
    the binary spikes of $D$ virtual steps, and `conversion.unroll_model` runs a whole network in them.
    """

    levels: int = 4
    """Largest number of spikes, D."""
    v_threshold: float = 1.0
    """Input that is worth one spike."""
    norm: float = 4.0
    """Number that the count is divided by, n; 1 emits the integers themselves."""
    rounding: Rounding = "half_even"
    """Where a half goes: half_even (0.5 → 0, 1.5 → 2) or half_up (0.5 → 1, 1.5 → 2)."""
    closed: bool = True
    """Whether the gradient passes where the scaled input is exactly 0 or D."""

    def __post_init__(self) -> None:
        check_positive("multispike", levels=self.levels, v_threshold=self.v_threshold, norm=self.norm)

    def spike_unit(self) -> float:
        return 1.0 / self.norm

    def states(self) -> Mapping[str, float]:
        return {}

    def step(self, ops: Any, x: Any) -> tuple[Any, dict[str, Any]]:
        return quantize(ops, x / self.v_threshold, self.levels, self.rounding, self.closed) / self.norm, {}


def unroll(counts: Tensor, levels: int) -> Tensor:
    """Binary spikes whose sum over `levels` virtual steps is the integer count; negative counts give spikes of -1.

    A linear layer commutes with the sum, so what it makes of the counts equals the sum of what it makes of the spikes.
    A bias must then be added once for `levels` virtual steps, not at each.

    Args:
        counts: integers between -levels and levels, [T, ...] (multiply a neuron's output by its `norm` first).
        levels: number of virtual steps D for each step.

    Returns:
        Spikes [T · D, ...]; the D virtual steps of one step are neighbors, and their spikes come first.

    Raises:
        ConfigError: `levels` is below 1.
        ShapeError: a count is no integer or exceeds `levels`.
    """
    if levels < 1:
        raise ConfigError(f"levels={levels} must be at least 1")
    if counts.numel() and not bool(((counts == counts.round()) & (counts.abs() <= levels)).all()):
        raise ShapeError(
            f"counts must be integers between {-levels} and {levels}; multiply the output by its norm first"
        )
    ramp = torch.arange(levels, device=counts.device, dtype=counts.dtype).view(1, -1, *[1] * (counts.dim() - 1))
    return torch.where(ramp < counts.abs().unsqueeze(1), counts.sign().unsqueeze(1), 0.0).flatten(0, 1)


def gather(spikes: Tensor, levels: int) -> Tensor:
    """The inverse of `unroll`: counts [T, ...] from spikes [T · D, ...].

    Raises:
        ShapeError: the number of steps is not a multiple of `levels`.
    """
    if levels < 1 or spikes.shape[0] % levels:
        raise ShapeError(f"{spikes.shape[0]} steps are not divisible by levels={levels}")
    return spikes.unflatten(0, (-1, levels)).sum(1)

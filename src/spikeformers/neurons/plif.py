"""Leaky integrate-and-fire with a learned time constant."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import leak, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register(
    "plif",
    source="Fang et al., ICCV 2021, arXiv:2007.05785; fangwei123456/Parametric-Leaky-Integrate-and-Fire-Spiking-Neuron",
)
@dataclass(frozen=True, kw_only=True)
class PLIFConfig(ScanConfig):
    r"""Parametric LIF: the leak rate is learned, $1/\tau=\sigma(w)$ with $w_0=-\ln(\tau_0-1)$.

    $$h_t = v_{t-1}+\sigma(w)\,(x_t-(v_{t-1}-v_{reset})),\qquad y_t=\Theta(h_t-v_{th})$$
    """

    init_tau: float = 2.0
    """Time constant before training, above 1."""
    channelwise: bool = False
    """One learned constant per channel instead of one per layer."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset)."""
    decay_input: bool = True
    """Whether the input is multiplied by the leak rate too."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        if not self.init_tau > 1.0:
            raise ConfigError(f"init_tau={self.init_tau} of a PLIF neuron must be above 1")

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"w": -math.log(self.init_tau - 1.0)}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, v: Any, w: Any) -> tuple[Any, dict[str, Any]]:
        h = leak(v, x, ops.sigmoid(w), self.v_reset, self.decay_input)
        y = ops.spike(h - self.v_threshold, self.strict)
        return y, {"v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset)}

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`LIF` with tau = dt/σ(w), v_leak = v_reset, r = 1 (1/σ(w) where the input is not damped); hard reset only."""
        return nir.leaky(
            torch.sigmoid(learned["w"]),
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            no_reset=self.no_reset,
            strict=self.strict,
            decay_input=self.decay_input,
            dt=dt,
        )

"""Resonate-and-fire neurons: damped oscillators that answer to rhythm."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_fraction, check_positive, reset
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("resonate", source="Izhikevich, Neural Networks 2001, 14(6-7)")
@dataclass(frozen=True, kw_only=True)
class ResonateConfig(ScanConfig):
    r"""Resonate-and-fire neuron: a damped rotation, driven on one axis and read on the other.

    $$u_t=e^{-b\delta}\,(u_{t-1}\cos\omega\delta-v_{t-1}\sin\omega\delta)+x_t,\qquad
      h_t=e^{-b\delta}\,(u_{t-1}\sin\omega\delta+v_{t-1}\cos\omega\delta),\qquad y_t=\Theta(h_t-v_{th})$$

    The reset acts on v. With `learn` the frequency and the damping are learned, the damping by its logarithm. Equal to
    SpikingJelly `RAFNode` (its `b` is `-damping`).
    """

    damping: float = 0.2
    """Rate at which the oscillation dies out, b."""
    omega: float = 1.0
    """Angular frequency, ω."""
    dt: float = 1.0
    """Length of a step, δ."""
    learn: bool = False
    """Whether frequency and damping are learned."""
    channelwise: bool = False
    """One learned frequency and damping per channel instead of one per layer; needs `learn`."""
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

    def __post_init__(self) -> None:
        check_positive("resonate", damping=self.damping, omega=self.omega, dt=self.dt)
        if self.channelwise and not self.learn:
            raise ConfigError(
                "channelwise=True of the neuron 'resonate' needs learn=True; nothing is learned otherwise"
            )

    def states(self) -> Mapping[str, float]:
        return {"v": self.v_reset or 0.0, "u": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"omega": self.omega, "log_damping": math.log(self.damping)} if self.learn else {}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, v: Any, u: Any, **learned: Any) -> tuple[Any, dict[str, Any]]:
        if learned:
            angle = learned["omega"] * self.dt
            kept = ops.exp(ops.exp(learned["log_damping"]) * -self.dt)
            cos, sin = ops.cos(angle), ops.sin(angle)
        else:
            kept = math.exp(-self.damping * self.dt)
            cos, sin = math.cos(self.omega * self.dt), math.sin(self.omega * self.dt)
        charged = kept * (u * cos - v * sin) + x
        h = kept * (u * sin + v * cos)
        y = ops.spike(h - self.v_threshold, self.strict)
        return y, {
            "v": reset(ops, h, y, self.v_threshold, self.v_reset, self.detach_reset, self.no_reset),
            "u": charged,
        }


@NEURONS.register("balanced_resonate", source="Higuchi et al., ICML 2024, arXiv:2402.14603; AdaptiveAILab/brf-neurons")
@dataclass(frozen=True, kw_only=True)
class BalancedResonateConfig(ScanConfig):
    r"""Balanced resonate-and-fire: damping at the edge of stability, a refractory trace instead of a reset.

    $$b_t=\frac{\sqrt{1-(\delta\omega)^2}-1}{\delta}-b_0-q_{t-1},\qquad
      u_t=u_{t-1}+\delta(b_tu_{t-1}-\omega v_{t-1}+x_t),\qquad v_t=v_{t-1}+\delta(\omega u_{t-1}+b_tv_{t-1}),$$
    $$y_t=\Theta(u_t-v_{th}-q_{t-1}),\qquad q_t=\gamma\,q_{t-1}+y_t$$
    """

    init_omega: float = 10.0
    """Angular frequency before training, ω; times dt at most 1."""
    init_offset: float = 1.0
    """Damping offset before training, b₀."""
    dt: float = 0.01
    """Length of a step, δ."""
    decay_refractory: float = 0.9
    """Part of the refractory trace that is left after one step, γ."""
    gain: float = 100.0
    """What the input is multiplied by; 1 / dt lets an input of 1 move the potential by 1."""
    channelwise: bool = False
    """One learned frequency and offset per channel instead of one per layer."""
    v_threshold: float = 1.0
    """Firing threshold at rest."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("balanced_resonate", init_omega=self.init_omega, dt=self.dt)
        check_fraction("balanced_resonate", decay_refractory=self.decay_refractory)
        if self.init_omega * self.dt > 1.0:
            raise ConfigError(
                f"init_omega={self.init_omega} times dt={self.dt} of the neuron 'balanced_resonate' must be at most 1"
            )

    def states(self) -> Mapping[str, float]:
        return {"u": 0.0, "v": 0.0, "q": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"omega": self.init_omega, "offset": self.init_offset}

    def per_channel(self) -> bool:
        return self.channelwise

    def step(self, ops: Any, x: Any, u: Any, v: Any, q: Any, omega: Any, offset: Any) -> tuple[Any, dict[str, Any]]:
        w = ops.abs(omega)
        edge = ops.sqrt(ops.maximum(1.0 - (w * self.dt) * (w * self.dt), 1e-6))
        b = (edge - 1.0) / self.dt - ops.abs(offset) - q
        charged = u + self.dt * (b * u - w * v + self.gain * x)
        v = v + self.dt * (w * u + b * v)
        y = ops.spike(charged - self.v_threshold - q, self.strict)
        return y, {"u": charged, "v": v, "q": q * self.decay_refractory + y}

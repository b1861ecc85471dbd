"""The conductance model of Hodgkin and Huxley."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.neurons.base import NEURONS, ScanConfig
from spikeformers.neurons.equations import check_positive
from spikeformers.neurons.surrogate import ATan, SurrogateConfig


@NEURONS.register("hodgkin_huxley", source="Hodgkin and Huxley, Journal of Physiology 1952, 117(4)")
@dataclass(frozen=True, kw_only=True)
class HodgkinHuxleyConfig(ScanConfig):
    r"""Hodgkin-Huxley neuron (squid axon, rest at -65 mV), one step of exponential Euler for each time step.

    $$C\dot v=I-\bar g_{Na}m^3h\,(v-E_{Na})-\bar g_Kn^4(v-E_K)-g_L(v-E_L),\qquad
      \dot q=\alpha_q(v)(1-q)-\beta_q(v)\,q,\quad q\in\{m,h,n\}$$
    $$y_t=\Theta(v_t-v_{th})\,[v_{t-1}\le v_{th}],\qquad I=g\,x$$

    A spike is an upward crossing of the threshold; there is no reset. Each equation is solved exactly over a step in
    which the others are held, so the scheme is stable for every input.
    """

    dt: float = 0.05
    """Length of a step in milliseconds."""
    gain: float = 10.0
    """Current in µA/cm² for an input of 1."""
    capacitance: float = 1.0
    """Membrane capacitance in µF/cm²."""
    g_sodium: float = 120.0
    """Largest sodium conductance in mS/cm²."""
    g_potassium: float = 36.0
    """Largest potassium conductance in mS/cm²."""
    g_leak: float = 0.3
    """Leak conductance in mS/cm²."""
    e_sodium: float = 50.0
    """Sodium reversal potential in mV."""
    e_potassium: float = -77.0
    """Potassium reversal potential in mV."""
    e_leak: float = -54.387
    """Leak reversal potential in mV."""
    v_threshold: float = 0.0
    """Potential whose upward crossing is a spike, in mV."""
    surrogate: SurrogateConfig = ATan(alpha=0.1)
    """Stand-in for the derivative of the spike, in 1/mV."""

    def __post_init__(self) -> None:
        check_positive("hodgkin_huxley", dt=self.dt, gain=self.gain, capacitance=self.capacitance, g_leak=self.g_leak)

    def states(self) -> Mapping[str, float]:
        return {"v": -65.0, "m": 0.052932, "h": 0.596121, "n": 0.317677}

    def step(self, ops: Any, x: Any, v: Any, m: Any, h: Any, n: Any) -> tuple[Any, dict[str, Any]]:
        u = ops.clamp(v, -150.0, 150.0)
        m = self._gate(ops, m, _linoid(ops, (u + 40.0) / 10.0), 4.0 * ops.exp((u + 65.0) / -18.0))
        h = self._gate(ops, h, 0.07 * ops.exp((u + 65.0) / -20.0), ops.sigmoid((u + 35.0) / 10.0))
        n = self._gate(ops, n, 0.1 * _linoid(ops, (u + 55.0) / 10.0), 0.125 * ops.exp((u + 65.0) / -80.0))
        sodium = self.g_sodium * m * m * m * h
        potassium = self.g_potassium * (n * n) * (n * n)
        total = sodium + potassium + self.g_leak
        pull = sodium * self.e_sodium + potassium * self.e_potassium + self.g_leak * self.e_leak + self.gain * x
        target = pull / total
        after = target + (v - target) * ops.exp(total * (-self.dt / self.capacitance))
        y = ops.where(v > self.v_threshold, 0.0, ops.spike(after - self.v_threshold))
        return y, {"v": after, "m": m, "h": h, "n": n}

    def _gate(self, ops: Any, q: Any, opening: Any, closing: Any) -> Any:
        rate = opening + closing
        target = opening / rate
        return target + (q - target) * ops.exp(rate * -self.dt)


def _linoid(ops: Any, z: Any) -> Any:
    r"""$z/(1-e^{-z})$, continued through 0."""
    near = ops.abs(z) < 1e-3
    safe = ops.where(near, 1.0, z)
    return ops.where(near, 1.0 + 0.5 * z, safe / (1.0 - ops.exp(-safe)))

"""An absolute refractory period for any neuron that is given by equations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, NeuronConfig, ScanConfig, given_by_equations
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import SurrogateConfig


@NEURONS.register("refractory", source="Gerstner et al., Neuronal Dynamics, Cambridge University Press 2014, 1.3")
@dataclass(frozen=True, kw_only=True)
class RefractoryConfig(ScanConfig):
    r"""A neuron that rests after a spike: for r steps it is silent, ignores its input, and its states stand still.

    $$(y_t,\,s_t)=\begin{cases}f(x_t,s_{t-1})&n_{t-1}=0\\(0,\,s_{t-1})&\text{else}\end{cases},\qquad
      n_t=r\ \text{after a spike, else}\ \max(n_{t-1}-1,0)$$

    Around `lif` with the hard reset it is `refractory_lif`.
    """

    neuron: NeuronConfig = LIFConfig()
    """The neuron f; one that is given by equations and has a state."""
    refractory: int = 2
    """Silent steps after a spike, r."""

    def __post_init__(self) -> None:
        states = given_by_equations(self.neuron, "refractory").states()
        if not states or "resting" in states:
            has = "rests already" if states else "has none"
            raise ConfigError(f"the neuron 'refractory' goes around one with a state; {self.neuron.family!r} {has}")
        if self.refractory < 1:
            raise ConfigError(f"refractory={self.refractory} must be at least 1 step (use the neuron alone for none)")

    @property
    def inner(self) -> ScanConfig:
        """The neuron f."""
        return given_by_equations(self.neuron, "refractory")

    def states(self) -> Mapping[str, float]:
        return {**self.inner.states(), "resting": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return self.inner.parameters()

    def per_channel(self) -> bool:
        return self.inner.per_channel()

    def spike_gradient(self) -> SurrogateConfig | None:
        return self.inner.spike_gradient()

    def step(self, ops: Any, x: Any, **symbols: Any) -> tuple[Any, dict[str, Any]]:
        resting = symbols.pop("resting")
        rests = resting > 0.0
        fired, states = self.inner.step(ops, x, **symbols)
        y = ops.where(rests, 0.0, fired)
        held = {name: ops.where(rests, symbols[name], value) for name, value in states.items()}
        left = ops.where(ops.abs(y) > 0.0, float(self.refractory), ops.maximum(resting - 1.0, 0.0))
        return y, {**held, "resting": left}

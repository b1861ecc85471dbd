"""Learned constants for any neuron that is given by equations."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.neurons.base import NEURONS, NeuronConfig, ScanConfig, given_by_equations
from spikeformers.neurons.equations import logit
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import SurrogateConfig


@NEURONS.register(
    "learned", source="Fang et al., ICCV 2021, arXiv:2007.05785; Rathi and Roy, TNNLS 2021, arXiv:2008.03658"
)
@dataclass(frozen=True, kw_only=True)
class LearnedConfig(ScanConfig):
    r"""A neuron whose constants θ are learned: time constant, threshold, reset potential and the like, and an input bias.

    $$y_t=f_\theta(x_t+b)$$

    A constant starts at its value in `neuron` and is learned as it is, except time constants (`tau`), learned as
    $1+e^{-w}$ so that they stay above 1, and decays (`decay`), learned as $\sigma(w)$ so that they stay between 0 and 1.
    The potential before the first step is not learned.
    """

    neuron: NeuronConfig = LIFConfig()
    """The neuron f; one that is given by equations."""
    constants: tuple[str, ...] = ("v_threshold",)
    """Fields of `neuron` that are learned."""
    bias: bool = False
    """Whether a current that is always there is learned, b, starting at 0."""
    channelwise: bool = False
    """One value of everything learned per channel instead of one per layer."""

    def __post_init__(self) -> None:
        inner = given_by_equations(self.neuron, "learned")
        if not self.constants and not self.bias:
            raise ConfigError("constants=() and bias=False of the neuron 'learned' leave nothing to learn")
        numbers = [f.name for f in fields(inner) if isinstance(getattr(inner, f.name), float)]
        taken = {"bias", *inner.parameters(), *inner.states()}
        if self.bias and "bias" in inner.parameters():
            raise ConfigError(f"bias=True of the neuron 'learned': {inner.family!r} learns its bias already")
        for name in self.constants:
            if name not in numbers:
                raise ConfigError(
                    f"constants={self.constants}: the neuron {inner.family!r} has no number {name!r}"
                    + did_you_mean(name, numbers)
                )
            if name in taken or self.constants.count(name) > 1:
                raise ConfigError(
                    f"constants={self.constants}: {name!r} of {inner.family!r} is learned twice, or is a state"
                )
            low, high = _range(name)
            if not low < getattr(inner, name) < high:
                raise ConfigError(
                    f"{name}={getattr(inner, name)} of the neuron {inner.family!r} is learned between {low:g} and "
                    f"{high:g}; start inside"
                )

    @property
    def inner(self) -> ScanConfig:
        """The neuron f."""
        return given_by_equations(self.neuron, "learned")

    def states(self) -> Mapping[str, float]:
        return self.inner.states()

    def parameters(self) -> Mapping[str, float]:
        own = {name: _raw(name, getattr(self.inner, name)) for name in self.constants}
        return {**self.inner.parameters(), **own, **({"bias": 0.0} if self.bias else {})}

    def per_channel(self) -> bool:
        return self.channelwise or self.inner.per_channel()

    def spike_gradient(self) -> SurrogateConfig | None:
        return self.inner.spike_gradient()

    def step(self, ops: Any, x: Any, **symbols: Any) -> tuple[Any, dict[str, Any]]:
        # a copy of f with symbols where the numbers were: f's step cannot tell them apart
        neuron = copy.copy(self.inner)
        for name in self.constants:
            object.__setattr__(neuron, name, _value(ops, name, symbols.pop(name)))
        return neuron.step(ops, x + symbols.pop("bias") if self.bias else x, **symbols)


def _range(name: str) -> tuple[float, float]:
    """The open interval in which a constant is learned."""
    if name.startswith("tau"):
        return 1.0, math.inf
    return (0.0, 1.0) if name.startswith("decay") else (-math.inf, math.inf)


def _raw(name: str, value: float) -> float:
    """The parameter that stands for a constant's value."""
    if name.startswith("tau"):
        return -math.log(value - 1.0)
    return logit(value) if name.startswith("decay") else value


def _value(ops: Any, name: str, raw: Any) -> Any:
    """The constant that a parameter stands for."""
    if name.startswith("tau"):
        return 1.0 + ops.exp(-raw)
    return ops.sigmoid(raw) if name.startswith("decay") else raw

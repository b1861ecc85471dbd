"""Recurrent connections around any neuron that is given by equations."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful
from spikeformers.core.errors import ConfigError
from spikeformers.neurons.base import NEURONS, Neuron, NeuronConfig, ScanConfig, given_by_equations
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import SurrogateConfig
from spikeformers.neurons.tensors import check_channels, need_channels, wide

SOURCE = "Bellec et al., NeurIPS 2018, arXiv:1803.09574"


@NEURONS.register("diagonal_recurrent", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class DiagonalRecurrentConfig(ScanConfig):
    r"""A neuron that hears its own last output, with one learned weight per channel.

    $$y_t=f(x_t+w\odot y_{t-1})$$
    """

    neuron: NeuronConfig = LIFConfig()
    """The neuron f; one that is given by equations."""
    init_feedback: float = 0.1
    """Weight before training, w."""

    def __post_init__(self) -> None:
        if "heard" in given_by_equations(self.neuron, "diagonal_recurrent").states():
            raise ConfigError("neuron='diagonal_recurrent' of the neuron 'diagonal_recurrent' hears itself already")

    @property
    def inner(self) -> ScanConfig:
        """The neuron f."""
        return given_by_equations(self.neuron, "diagonal_recurrent")

    def states(self) -> Mapping[str, float]:
        return {**self.inner.states(), "heard": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {**self.inner.parameters(), "feedback": self.init_feedback}

    def per_channel(self) -> bool:
        return True

    def spike_gradient(self) -> SurrogateConfig | None:
        return self.inner.spike_gradient()

    def step(self, ops: Any, x: Any, **symbols: Any) -> tuple[Any, dict[str, Any]]:
        heard, feedback = symbols.pop("heard"), symbols.pop("feedback")
        y, states = self.inner.step(ops, x + feedback * heard, **symbols)
        return y, {**states, "heard": y}


@NEURONS.register("recurrent", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class RecurrentConfig(NeuronConfig):
    r"""Neurons that hear each other: all channels of one position are connected to all.

    $$y_t=f(x_t+W\,y_{t-1})$$

    W is learned and starts orthogonal times `init_gain`.
    """

    neuron: NeuronConfig = LIFConfig()
    """The neuron f; one that is given by equations."""
    init_gain: float = 0.1
    """Factor on the orthogonal matrix that W starts from."""

    def __post_init__(self) -> None:
        given_by_equations(self.neuron, "recurrent")

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return RecurrentNeuron(self, channels=need_channels("recurrent", channels), axis=axis)


class RecurrentNeuron(Stateful):
    """The step loop of `RecurrentConfig`."""

    def __init__(self, config: RecurrentConfig, *, channels: int, axis: int) -> None:
        super().__init__()
        self.config = config
        self.axis = axis
        self.neuron = Neuron(given_by_equations(config.neuron, "recurrent"), channels=channels, axis=axis)
        self.weight = nn.Parameter(nn.init.orthogonal_(torch.empty(channels, channels), gain=config.init_gain))

    def initial(self, x0: Tensor) -> State:
        return {**self.neuron.initial(x0), "heard": torch.zeros_like(wide(x0))}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        check_channels("recurrent", x, self.axis, self.weight.shape[0])
        state = dict(self.initial(x[0]) if state is None else state)
        heard, outputs = state.pop("heard").unsqueeze(0), []
        for current in wide(x).split(1):
            echo = (heard.movedim(self.axis, -1) @ self.weight.T).movedim(-1, self.axis)
            heard, state = self.neuron.scan(current + echo, state)
            outputs.append(heard)
        return torch.cat(outputs).to(x.dtype), {**state, "heard": heard[0]}

"""One-step spiking activation whose threshold is the Hoyer extremum of its own input."""

from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful, check_state
from spikeformers.core.errors import ConfigError
from spikeformers.kernels.stepwise import stepwise
from spikeformers.neurons.base import NEURONS, NeuronConfig
from spikeformers.neurons.equations import check_positive
from spikeformers.neurons.tensors import along, check_channels, need_channels, step_axis, wide


@NEURONS.register("hoyer", source="Datta et al., 2022, arXiv:2212.10170; godatta/Ultra-Low-Latency-SNN")
@dataclass(frozen=True, kw_only=True)
class HoyerConfig(NeuronConfig):
    r"""Hoyer neuron: fires above the Hoyer extremum E of the normalized potential.

    $$z=\frac{u}{|v_{th}|},\qquad E=\frac{\sum\mathrm{clip}(z,0,1)^2}{\sum\mathrm{clip}(z,0,1)},\qquad
      y=\Theta(z-\kappa E),\qquad u_t=\lambda u_{t-1}+x_t$$

    $v_{th}$ and the leak λ are learned; a spike does not reset. Training takes E from the batch and keeps a running
    mean for eval mode. The gradient is 0.5 where $0<z<$ `window`. `hoyer_regularizer` of the normalized potential is
    the loss term that goes with it.
    """

    v_threshold: float = 1.0
    """Normalizing threshold before training."""
    scale: float = 1.0
    """Factor on the extremum, κ."""
    extremum: Literal["channel", "layer", "fixed"] = "channel"
    """One extremum per channel, one per layer, or 1 always."""
    momentum: float = 0.1
    """Part of the batch's extremum in the running mean."""
    window: float = 1.0
    """Largest z that passes a gradient: 1 as the released code behaves, 2 as it is written."""
    init_leak: float = 1.0
    """Part of the potential that is left after one step, before training, λ."""

    def __post_init__(self) -> None:
        check_positive("hoyer", v_threshold=self.v_threshold, scale=self.scale, window=self.window)
        if not 0.0 < self.momentum <= 1.0:
            raise ConfigError(f"momentum={self.momentum} of the neuron 'hoyer' must be above 0 and at most 1")

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return HoyerNeuron(self, channels=channels, axis=axis)


class HoyerNeuron(Stateful):
    """The step loop of `HoyerConfig`; `running_extremum` starts at 0, as in the official code."""

    running_extremum: Tensor

    def __init__(self, config: HoyerConfig, *, channels: int | None, axis: int) -> None:
        super().__init__()
        self.config = config
        self.input_axis, self.axis = axis, step_axis(axis)
        self.channels = need_channels("hoyer", channels) if config.extremum == "channel" else None
        self.threshold = nn.Parameter(torch.tensor(config.v_threshold))
        self.leak = nn.Parameter(torch.tensor(config.init_leak))
        self.register_buffer(
            "running_extremum", torch.zeros(()) if self.channels is None else torch.zeros(self.channels)
        )

    def initial(self, x0: Tensor) -> State:
        return {"u": torch.zeros_like(wide(x0))}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        state = self.initial(x[0]) if state is None else state
        check_state("hoyer", state, x[0])
        if self.channels is not None:
            check_channels("hoyer", x, self.input_axis, self.channels)
        u, spikes = state["u"], []
        for xt in wide(x).unbind(0):
            u = self.leak * u + xt
            z = u / self.threshold.abs()
            threshold = self.config.scale * self._extremum(z.detach())
            spikes.append(stepwise(_fired, partial(_window, self.config.window), z, threshold))
        return torch.stack(spikes).to(x.dtype), {"u": u}

    def _extremum(self, z: Tensor) -> Tensor:
        if self.config.extremum == "fixed":
            return torch.ones_like(self.running_extremum)
        found = self.running_extremum
        if self.training:
            clipped = z.clamp(0.0, 1.0)
            over = [d for d in range(z.dim()) if self.channels is None or d != self.axis % z.dim()]
            found = (clipped**2).sum(over) / clipped.sum(over)
            found = torch.where(found.isnan(), torch.ones_like(found), found)
            self.running_extremum.lerp_(found.to(self.running_extremum.dtype), self.config.momentum)
        return found if self.channels is None else along(found, z, self.axis)


def _fired(z: Tensor, threshold: Tensor) -> Tensor:
    return torch.where(z.isnan(), z, (z - threshold >= 0.0).to(z.dtype))


def _window(window: float, z: Tensor, threshold: Tensor) -> Tensor:
    """A half where 0 < z < window."""
    return 0.5 * ((z > 0.0) & (z < window))


def hoyer_regularizer(z: Tensor) -> Tensor:
    r"""Hoyer-square sparsity, $(\sum|z|)^2/\sum z^2$ of the potential clipped to [0, 1]; 0 for a silent layer."""
    clipped = z.clamp(0.0, 1.0)
    return clipped.sum() ** 2 / (clipped**2).sum().clamp_min(torch.finfo(clipped.dtype).tiny)

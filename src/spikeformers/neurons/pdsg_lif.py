"""LIF whose surrogate takes its width from the potentials it meets."""

import math
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.kernels.scan.ops import TorchOps, heaviside, heaviside_strict
from spikeformers.kernels.stepwise import stepwise
from spikeformers.neurons.base import NEURONS, NeuronConfig
from spikeformers.neurons.equations import leak, reset
from spikeformers.neurons.tensors import along, step_axis, wide


@NEURONS.register("pdsg_lif", source="Lun et al., CVPR 2025; ryime/PDSG-SDA")
@dataclass(frozen=True, kw_only=True)
class PDSGLIFConfig(NeuronConfig):
    r"""LIF with the potential-dependent surrogate gradient (PDSG).

    $$\frac{\partial y_t}{\partial h_t}=\mathcal N\big(h_t-v_{th};\tfrac{\sigma_t}2,\sigma_t^2\big),\qquad
      \sigma_t=\text{std of }h_1\dots h_t\text{ over batch, positions and steps, per channel}$$

    Forward it is a LIF. The surrogate sees the whole batch, so the gradient of a sample depends on the others. Where the
    spread is 0, σ is 1.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset)."""
    decay_input: bool = False
    """Whether the input is divided by tau too."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = False
    """Whether the gradient ignores the path through the reset."""

    def __post_init__(self) -> None:
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'pdsg_lif' must be above 1")

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return PDSGLIFNeuron(self, axis=axis)


class PDSGLIFNeuron(Stateful):
    """The step loop of `PDSGLIFConfig`; the state holds v and, per channel, count, mean and squared deviations."""

    def __init__(self, config: PDSGLIFConfig, *, axis: int) -> None:
        super().__init__()
        self.config = config
        self.axis = axis

    def initial(self, x0: Tensor) -> State:
        v = torch.full_like(wide(x0), self.config.v_reset or 0.0)
        zeros = v.new_zeros(x0.shape[step_axis(self.axis)])
        return {"v": v, "count": zeros, "mean": zeros, "squares": zeros}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        if x.dim() <= max(2, self.axis if self.axis >= 0 else -self.axis - 1):
            raise ShapeError(
                f"pdsg_lif measures channels on axis {self.axis} of [T, B, ...] over the batch; the input is {tuple(x.shape)}"
            )
        state = self.initial(x[0]) if state is None else state
        if state["v"].shape != x.shape[1:]:
            raise ShapeError(f"carried state of pdsg_lif is {tuple(state['v'].shape)}, this step {tuple(x.shape[1:])}")
        c, ops, v, spikes = self.config, TorchOps(), state["v"], []
        moments = state["count"], state["mean"], state["squares"]
        for xt in wide(x).unbind(0):
            h = leak(v, xt, 1.0 / c.tau, c.v_reset, c.decay_input)
            moments = self._merged(moments, h.detach())
            variance = moments[2] / (moments[0] - 1.0).clamp_min(1.0)
            sigma = along(torch.where(variance > 0.0, variance, 1.0).sqrt(), h, step_axis(self.axis))
            y = stepwise(partial(_heaviside, c.strict), _density, h - c.v_threshold, sigma)
            v = reset(ops, h, y, c.v_threshold, c.v_reset, c.detach_reset, c.no_reset)
            spikes.append(y)
        last = dict(zip(("count", "mean", "squares"), moments, strict=True))
        return torch.stack(spikes).to(x.dtype), {"v": v, **last}

    def _merged(self, moments: tuple[Tensor, Tensor, Tensor], h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        count, mean, squares = moments
        rows = h.movedim(step_axis(self.axis), 0).flatten(1)
        new = float(rows.shape[1])
        gap = rows.mean(1) - mean
        total = count + new
        spread = ((rows - rows.mean(1, keepdim=True)) ** 2).sum(1)
        return total, mean + gap * new / total, squares + spread + gap**2 * count * new / total


def _heaviside(strict: bool, u: Tensor, sigma: Tensor) -> Tensor:
    return heaviside_strict(u) if strict else heaviside(u)


def _density(u: Tensor, sigma: Tensor) -> Tensor:
    """Of a normal distribution around σ/2."""
    z = (u - sigma / 2) / sigma
    return torch.exp(-0.5 * z * z) / (math.sqrt(2.0 * math.pi) * sigma)

"""Event-based gated recurrent unit: a GRU that sends graded events when its state crosses a threshold."""

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.kernels.scan.ops import heaviside_strict
from spikeformers.kernels.stepwise import stepwise
from spikeformers.neurons.base import NEURONS, NeuronConfig
from spikeformers.neurons.tensors import check_channels, need_channels, wide


@NEURONS.register(
    "egru", source="Subramoney et al., ICLR 2023, arXiv:2206.06178; Efficient-Scalable-Machine-Learning/EvNN"
)
@dataclass(frozen=True, kw_only=True)
class EGRUConfig(NeuronConfig):
    r"""Event-based GRU over the channels, in the form of the official code.

    $$z=\sigma(W_zx+R_zy+b_z+b'_z),\quad r=\sigma(W_rx+R_ry+b_r+b'_r),\quad g=\tanh(W_gx+b_g+r\odot(R_gy+b'_g)),$$
    $$c'=z\odot c+(1-z)\odot g,\qquad o=[c'>\vartheta],\qquad y=o\odot c',\qquad c=c'-o\odot\vartheta$$

    The event is the state itself; the recurrence sees events only. The derivative of o is
    $\gamma\max(0,1-\epsilon|c'-\vartheta|)$.
    """

    mean_threshold: float = 0.3
    """Mean of the Beta distribution that the thresholds are drawn from, between 0 and 1."""
    dampening: float = 0.7
    """Height of the surrogate derivative, γ."""
    support: float = 1.0
    """Inverse half width of the surrogate derivative, ε."""

    def __post_init__(self) -> None:
        if not 0.0 < self.mean_threshold < 1.0:
            raise ConfigError(f"mean_threshold={self.mean_threshold} of the neuron 'egru' must be between 0 and 1")

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        units = need_channels("egru", channels)
        return EGRU(units, units, axis=axis, config=self)


class EGRU(Stateful):
    """An EGRU layer: channels `inputs` on `axis` of [T, B, ...] become `units` events.

    Gate order is z, r, g. The state holds `c` and the events `y` of the last step, channels last.

    Args:
        inputs: channels of the input.
        units: channels of the output.
        axis: where the channels are in [T, B, ...].
        config: thresholds and surrogate.
    """

    def __init__(self, inputs: int, units: int, *, axis: int = -1, config: EGRUConfig | None = None) -> None:
        super().__init__()
        self.config = EGRUConfig() if config is None else config
        self.inputs, self.units, self.axis = inputs, units, axis
        self.kernel = nn.Parameter(nn.init.xavier_normal_(torch.empty(inputs, 3 * units)))
        self.recurrent_kernel = nn.Parameter(nn.init.xavier_normal_(torch.empty(units, 3 * units)))
        self.bias = nn.Parameter(torch.zeros(3 * units))
        self.recurrent_bias = nn.Parameter(torch.zeros(3 * units))
        mean = self.config.mean_threshold
        self.thr = nn.Parameter(torch.distributions.Beta(3 * mean / (1 - mean), 3.0).sample((units,)))

    def initial(self, x0: Tensor) -> State:
        like = wide(x0).movedim(self.axis if self.axis < 0 else self.axis - 1, -1)
        zeros = like.new_zeros(*like.shape[:-1], self.units)
        return {"c": zeros, "y": zeros}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        check_channels("egru", x, self.axis, self.inputs)
        start = self.initial(x[0])
        state = start if state is None else state
        if state["c"].shape != start["c"].shape:
            raise ShapeError(
                f"carried state of egru has shape {tuple(state['c'].shape)}, this input needs {tuple(start['c'].shape)}"
            )
        driven = wide(x).movedim(self.axis, -1) @ self.kernel + self.bias
        threshold, c, y, events = self.thr.clamp(0.0, 1.0), state["c"], state["y"], []
        for current in driven.unbind(0):
            c, y = self._step(current, c, y, threshold)
            events.append(y)
        return torch.stack(events).movedim(-1, self.axis).to(x.dtype), {"c": c, "y": y}

    def _step(self, current: Tensor, c: Tensor, y: Tensor, threshold: Tensor) -> tuple[Tensor, Tensor]:
        recurrent = y @ self.recurrent_kernel + self.recurrent_bias
        (xz, xr, xg), (hz, hr, hg) = current.chunk(3, -1), recurrent.chunk(3, -1)
        z, r = torch.sigmoid(xz + hz), torch.sigmoid(xr + hr)
        c = z * c + (1.0 - z) * torch.tanh(xg + r * hg)
        slope = partial(_triangle, self.config.dampening, self.config.support)
        o = stepwise(heaviside_strict, slope, c - threshold)
        return c - o * threshold, o * c


def _triangle(dampening: float, support: float, u: Tensor) -> Tensor:
    """γ max(0, 1 - ε|u|)."""
    return dampening * (1.0 - support * u.abs()).clamp_min(0.0)

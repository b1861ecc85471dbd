"""LIF with batch normalization of the membrane potential, and its exact fold into the threshold."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful, check_state
from spikeformers.core.errors import ExportError
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.neurons import nir
from spikeformers.neurons.base import NEURONS, Neuron, NeuronConfig, ScanConfig
from spikeformers.neurons.equations import check_fraction
from spikeformers.neurons.surrogate import SurrogateConfig, Tanh
from spikeformers.neurons.tensors import check_channels, need_channels, step_axis, wide

SOURCE = "Guo et al., ICCV 2023, arXiv:2308.08359; yfguo91/MPBN"


@NEURONS.register("mpbn", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class MPBNConfig(NeuronConfig):
    r"""Membrane potential batch normalization: the potential is normalized per channel before it is compared.

    $$h_t=d\,v_{t-1}+x_t,\qquad z_t=\mathrm{BN}(h_t),\qquad y_t=[z_t>v_{th}],\qquad v_t=(1-y_t)\,h_t$$

    One normalization serves all steps and is fed one step at a time. The official code compares $z/1$ with 0.5, which
    is the default here. `MPBNNeuron.fold` gives the neuron for inference, `mpbn_folded`.
    """

    decay: float = 0.25
    """Part of the potential that is left after one step, d."""
    v_threshold: float = 0.5
    """Threshold of the normalized potential."""
    momentum: float = 0.1
    """Part of a step's statistics in the running ones."""
    eps: float = 1e-5
    """Added to the variance."""
    strict: bool = True
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = False
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Tanh()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_fraction("mpbn", decay=self.decay, momentum=self.momentum)

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return MPBNNeuron(self, channels=need_channels("mpbn", channels), axis=axis)


class MPBNNeuron(Stateful):
    """The step loop of `MPBNConfig`; `norm` holds the statistics and the affine parameters."""

    def __init__(self, config: MPBNConfig, *, channels: int, axis: int) -> None:
        super().__init__()
        self.config = config
        self.axis = axis
        self.norm = nn.BatchNorm1d(channels, eps=config.eps, momentum=config.momentum)

    def initial(self, x0: Tensor) -> State:
        return {"v": torch.zeros_like(wide(x0))}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        state = self.initial(x[0]) if state is None else state
        check_state("mpbn", state, x[0])
        check_channels("mpbn", x, self.axis, self.norm.num_features)
        c, ops, v, spikes = self.config, TorchOps(self.config.surrogate), state["v"], []
        for xt in wide(x).unbind(0):
            h = v * c.decay + xt
            y = ops.spike(self._normalized(h) - c.v_threshold, c.strict)
            v = (1.0 - (y.detach() if c.detach_reset else y)) * h
            spikes.append(y)
        return torch.stack(spikes).to(x.dtype), {"v": v}

    def _normalized(self, h: Tensor) -> Tensor:
        axis = step_axis(self.axis)
        first = h.movedim(axis, 1)
        return self.norm(first.flatten(2) if h.dim() > 2 else first).view(first.shape).movedim(1, axis)

    @torch.no_grad()
    def fold(self) -> Neuron:
        r"""The same neuron at inference, its normalization in a threshold per channel.

        $$\vartheta=(v_{th}-\beta)\frac{\sqrt{\mathrm{var}+\epsilon}}{\gamma}+\mu$$

        It fires above ϑ where γ is positive, below where it is negative; where γ is 0, always or never.
        """
        norm, c = self.norm, self.config
        folded = Neuron(MPBNFoldedConfig(decay=c.decay, strict=c.strict), channels=norm.num_features, axis=self.axis)
        assert norm.running_mean is not None
        assert norm.running_var is not None
        spread = torch.sqrt(norm.running_var + c.eps)
        live = norm.weight != 0.0
        edge = (c.v_threshold - norm.bias) * spread / torch.where(live, norm.weight, 1.0) + norm.running_mean
        direction = norm.weight.sign()
        # without slope 0 is compared with the offset, decided by the affine bias alone
        offset = torch.where(live, direction * edge, c.v_threshold - norm.bias)
        folded.direction.copy_(direction)  # type: ignore[operator]
        folded.threshold.copy_(offset)  # type: ignore[operator]
        return folded.to(norm.weight.device).requires_grad_(False)


@NEURONS.register("mpbn_folded", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class MPBNFoldedConfig(ScanConfig):
    r"""What `mpbn` becomes at inference: a threshold and a direction per channel.

    $$h_t=d\,v_{t-1}+x_t,\qquad y_t=[\,g\,h_t>\vartheta\,],\qquad v_t=(1-y_t)\,h_t$$
    """

    decay: float = 0.25
    """Part of the potential that is left after one step, d."""
    v_threshold: float = 0.5
    """Threshold of every channel before something is folded in or learned, ϑ."""
    strict: bool = True
    """Whether a potential equal to the threshold stays silent."""
    surrogate: SurrogateConfig = Tanh()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_fraction("mpbn_folded", decay=self.decay)

    def states(self) -> Mapping[str, float]:
        return {"v": 0.0}

    def parameters(self) -> Mapping[str, float]:
        return {"threshold": self.v_threshold, "direction": 1.0}

    def per_channel(self) -> bool:
        return True

    def step(self, ops: Any, x: Any, v: Any, threshold: Any, direction: Any) -> tuple[Any, dict[str, Any]]:
        h = v * self.decay + x
        y = ops.spike(direction * h - threshold, self.strict)
        return y, {"v": (1.0 - y) * h}

    def to_nir(self, learned: Mapping[str, Tensor], dt: float) -> nir.Primitive:
        """`LIF` with tau = dt/(1-d), r = 1/(1-d) and a threshold per channel; every direction must be 1."""
        if bool((learned["direction"] != 1.0).any()):
            raise ExportError(
                "a channel fires below its threshold (its normalization has a slope that is not positive)"
            )
        return nir.undamped(self.decay, v_threshold=learned["threshold"], v_reset=0.0, strict=self.strict, dt=dt)

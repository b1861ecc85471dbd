"""Parallel spiking neurons: the recurrence over T is a matrix product, without reset."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.neurons.base import NEURONS, NeuronConfig
from spikeformers.neurons.surrogate import ATan, SurrogateConfig
from spikeformers.neurons.tensors import wide

SOURCE = "Fang et al., NeurIPS 2023, arXiv:2304.12760; fangwei123456/Parallel-Spiking-Neuron"


@NEURONS.register("psn", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class PSNConfig(NeuronConfig):
    r"""Parallel spiking neuron: every step sees every other, also later ones.

    $$H=WX+b,\qquad Y=\Theta(H),\qquad W\in\mathbb R^{T\times T},\ b\in\mathbb R^T$$

    It cannot run in chunks. Equal to SpikingJelly `PSN(T=steps)`.
    """

    steps: int = 4
    """Largest number of steps; shorter inputs use the upper left corner of the weights."""
    v_threshold: float = 1.0
    """Firing threshold before training; the bias is its negative."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        _check_count("psn", steps=self.steps)

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return ParallelNeuron("psn", self.steps, self.v_threshold, self.strict, self.surrogate)


@NEURONS.register("masked_psn", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class MaskedPSNConfig(NeuronConfig):
    r"""Masked PSN: a step sees the latest `order` steps, itself included.

    $$H=(W\odot M)X+b,\qquad M=\lambda B+(1-\lambda)\mathbf 1,\qquad B_{ij}=[\,0\le i-j<k\,]$$

    The strength λ is the buffer `mask_strength` of the module: a schedule may raise it from 0 to 1 during training.
    Equal to SpikingJelly `MaskedPSN(k=order, T=steps, lambda_init=mask_strength)`.
    """

    steps: int = 4
    """Largest number of steps; shorter inputs use the upper left corner of the weights."""
    order: int = 2
    """How many steps a step sees, itself included, k."""
    mask_strength: float = 1.0
    """λ at the start: 1 hides all but the latest `order` steps, 0 hides nothing."""
    v_threshold: float = 1.0
    """Firing threshold before training; the bias is its negative."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        _check_count("masked_psn", steps=self.steps, order=self.order)
        if not 0.0 <= self.mask_strength <= 1.0:
            raise ConfigError(f"mask_strength={self.mask_strength} of the neuron 'masked_psn' must be between 0 and 1")

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return ParallelNeuron(
            "masked_psn", self.steps, self.v_threshold, self.strict, self.surrogate, self.order, self.mask_strength
        )


@NEURONS.register("sliding_psn", source=SOURCE)
@dataclass(frozen=True, kw_only=True)
class SlidingPSNConfig(NeuronConfig):
    r"""Sliding PSN: one causal filter for all steps, so it runs for any T and in chunks.

    $$h_t=\sum_{i=1}^{k}w_i\,x_{t-k+i}+b,\qquad y_t=\Theta(h_t)$$

    Equal to SpikingJelly `SlidingPSN(k=order, exp_init=exponential)`.
    """

    order: int = 4
    """Length of the filter, k."""
    exponential: bool = True
    """Whether the filter starts as powers of one half, newest 1, instead of at random."""
    v_threshold: float = 1.0
    """Firing threshold before training; the bias is its negative."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    surrogate: SurrogateConfig = ATan()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        _check_count("sliding_psn", order=self.order)

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return SlidingParallelNeuron(self)


class ParallelNeuron(Stateful):
    """PSN and masked PSN: `weight` [steps, steps] and `bias` [steps, 1].

    Raises:
        ShapeError: the input has more steps than the weights.
        ConfigError: the input is a later chunk of a carried sequence.
    """

    mask_strength: Tensor
    band: Tensor

    def __init__(
        self,
        family: str,
        steps: int,
        v_threshold: float,
        strict: bool,
        surrogate: SurrogateConfig,
        order: int | None = None,
        mask_strength: float = 0.0,
    ) -> None:
        super().__init__()
        self.family = family
        self.strict = strict
        self.ops = TorchOps(surrogate)
        self.weight = nn.Parameter(torch.empty(steps, steps))
        self.bias = nn.Parameter(torch.full((steps, 1), -v_threshold))
        self.masked = order is not None
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)
        if order is not None:
            ones = torch.ones(steps, steps)
            self.register_buffer("mask_strength", torch.tensor(mask_strength))
            self.register_buffer("band", torch.tril(ones) - torch.tril(ones, -order), persistent=False)

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        steps = x.shape[0]
        if state is not None:
            raise ConfigError(f"{self.family} sees all steps at once and cannot run in chunks; sliding_psn can")
        if steps > self.weight.shape[0]:
            raise ShapeError(
                f"{self.family} was built for {self.weight.shape[0]} steps and got {steps}; set its field steps={steps}"
            )
        weight: Tensor = self.weight
        if self.masked:
            weight = weight * (self.mask_strength * self.band + (1.0 - self.mask_strength))
        flat = wide(x).flatten(1) if x.dim() > 1 else wide(x).unsqueeze(1)
        h = weight[:steps, :steps].to(flat.dtype) @ flat + self.bias[:steps].to(flat.dtype)
        return self.ops.spike(h, self.strict).view(x.shape).to(x.dtype), {"seen": torch.ones_like(x[0])} if keep else {}


class SlidingParallelNeuron(Stateful):
    """Sliding PSN: `weight` [order] and a scalar `bias`; the state `past` [order - 1, ...] holds the latest inputs."""

    def __init__(self, config: SlidingPSNConfig) -> None:
        super().__init__()
        self.config = config
        self.ops = TorchOps(config.surrogate)
        if config.exponential:
            weight = 2.0 ** torch.arange(1 - config.order, 1, dtype=torch.float32)
        else:
            weight = nn.init.kaiming_uniform_(torch.empty(1, config.order), a=5**0.5)[0]
        self.weight = nn.Parameter(weight)
        self.bias = nn.Parameter(torch.tensor(-config.v_threshold))

    def initial(self, x0: Tensor) -> State:
        return {"past": torch.zeros_like(wide(x0)).expand(self.config.order - 1, *x0.shape)}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        past = (self.initial(x[0]) if state is None else state)["past"]
        if past.shape[1:] != x.shape[1:]:
            raise ShapeError(
                f"carried state of sliding_psn has steps {tuple(past.shape[1:])} but this input has {tuple(x.shape[1:])}"
            )
        steps, whole = x.shape[0], torch.cat([past, wide(x)])
        h = sum(self.weight[i] * whole[i : i + steps] for i in range(self.config.order)) + self.bias
        return self.ops.spike(h, self.config.strict).to(x.dtype), {"past": whole[whole.shape[0] - past.shape[0] :]}


def _check_count(family: str, **values: int) -> None:
    for name, value in values.items():
        if value < 1:
            raise ConfigError(f"{name}={value} of the neuron {family!r} must be at least 1")

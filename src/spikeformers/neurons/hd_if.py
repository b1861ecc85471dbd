"""Hybrid-dynamics integrate-and-fire: a gate mixes the potentials of four kinds of neuron."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.neurons.base import NEURONS, NeuronConfig, ScanConfig
from spikeformers.neurons.eif import EIFConfig
from spikeformers.neurons.equations import check_positive
from spikeformers.neurons.if_ import IFConfig
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.plif import PLIFConfig
from spikeformers.neurons.surrogate import Sigmoid, SurrogateConfig
from spikeformers.neurons.tensors import check_channels, need_channels, wide


@NEURONS.register("hd_if", source="Wu et al., AAAI 2025, arXiv:2502.15811; PeppaWu/SPT")
@dataclass(frozen=True, kw_only=True)
class HDIFConfig(NeuronConfig):
    r"""Hybrid-dynamics neuron of the Spiking Point Transformer.

    $$y_t=\Theta\Big(\sum_eg_e\,\tilde v_{e,t}-v_{mix}\Big),\qquad g=\mathrm{softmax}(W\,[x_1;\dots;x_T]+b),\qquad
      \tilde v_{e,t}=v_{th}\ \text{where expert e fired, else its potential}$$

    The experts are IF, LIF, PLIF and EIF. The gate is one 1×1 convolution over the channels of all steps, for each
    sample and position; in eval mode only the `top` largest gates count. It cannot run in chunks.
    """

    steps: int = 4
    """Largest number of steps; shorter inputs use the gate's weights of the first ones."""
    v_threshold: float = 0.5
    """Firing threshold of the experts."""
    v_mix: float = 0.2
    """Mixed potential at which the output fires."""
    tau: float = 2.0
    """Time constant of the leaky experts; of PLIF before training."""
    top: int = 2
    """Experts that count in eval mode, 1 to 4."""
    surrogate: SurrogateConfig = Sigmoid()
    """Stand-in for the derivative of every spike."""

    def __post_init__(self) -> None:
        check_positive("hd_if", steps=self.steps, v_threshold=self.v_threshold)
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'hd_if' must be above 1")
        if not 1 <= self.top <= 4:
            raise ConfigError(f"top={self.top} of the neuron 'hd_if' must be between 1 and 4, the number of experts")

    def experts(self) -> tuple[ScanConfig, ...]:
        """The four neurons that are mixed."""
        th, s = self.v_threshold, self.surrogate
        return (
            IFConfig(v_threshold=th, surrogate=s),
            LIFConfig(v_threshold=th, tau=self.tau, surrogate=s),
            PLIFConfig(v_threshold=th, init_tau=self.tau, surrogate=s),
            EIFConfig(v_threshold=th, tau=self.tau, surrogate=s),
        )

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return HDIFNeuron(self, channels=need_channels("hd_if", channels), axis=axis)


class HDIFNeuron(Stateful):
    """The module of `HDIFConfig`: `gate` is the convolution, `w` the logit of PLIF's leak.

    Raises:
        ShapeError: the input has more steps than the gate.
        ConfigError: the input is a later chunk of a carried sequence.
    """

    def __init__(self, config: HDIFConfig, *, channels: int, axis: int) -> None:
        super().__init__()
        self.config = config
        self.channels, self.axis = channels, axis
        self.gate = nn.Conv1d(channels * config.steps, len(config.experts()), 1)
        self.w = nn.Parameter(torch.tensor(config.experts()[2].parameters()["w"]))

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        if state is not None:
            raise ConfigError("the gate of hd_if sees all steps at once, so it cannot run in chunks")
        if x.shape[0] > self.config.steps:
            raise ShapeError(f"hd_if was built for {self.config.steps} steps and got {x.shape[0]}; set its field steps")
        check_channels("hd_if", x, self.axis, self.channels)
        first = wide(x).movedim(self.axis, 2)
        rows = first.flatten(3) if first.dim() > 3 else first.unsqueeze(3)
        gate = self._gate(rows).unsqueeze(2)
        ops = TorchOps(self.config.surrogate)
        mixed = (gate * torch.stack(self._potentials(rows, ops), dim=2)).sum(2)
        y = ops.spike(mixed - self.config.v_mix).view(first.shape).movedim(2, self.axis)
        return y.to(x.dtype), {"seen": torch.ones_like(x[0])} if keep else {}

    def _gate(self, rows: Tensor) -> Tensor:
        steps, batch, channels, positions = rows.shape
        flat = rows.transpose(0, 1).reshape(batch, steps * channels, positions)
        scores = nn.functional.conv1d(flat, self.gate.weight[:, : steps * channels], self.gate.bias)
        if not self.training and self.config.top < scores.shape[1]:
            kept = scores.topk(self.config.top, dim=1).indices
            scores = scores + torch.full_like(scores, float("-inf")).scatter(1, kept, 0.0)
        return scores.softmax(1)

    def _potentials(self, rows: Tensor, ops: TorchOps) -> list[Tensor]:
        found = []
        for expert in self.config.experts():
            learned = {"w": self.w} if "w" in expert.parameters() else {}
            states = {n: torch.full_like(rows[0], value) for n, value in expert.states().items()}
            seen = []
            for xt in rows.unbind(0):
                y, states = expert.step(ops, xt, **states, **learned)
                seen.append(torch.where(y > 0.0, torch.full_like(y, self.config.v_threshold), states["v"]))
            found.append(torch.stack(seen))
        return found

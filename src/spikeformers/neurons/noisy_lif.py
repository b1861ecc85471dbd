"""Leaky integrate-and-fire with noise: on the membrane, or in the act of firing."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful, check_state
from spikeformers.core.errors import ConfigError
from spikeformers.kernels.scan.ops import TorchOps
from spikeformers.neurons.base import NEURONS, NeuronConfig
from spikeformers.neurons.equations import check_positive, leak, reset
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Gaussian, SurrogateConfig
from spikeformers.neurons.tensors import wide


@NEURONS.register("noisy_lif", source="Ma et al., Patterns 2023, arXiv:2305.16044; genema/Noisy-Spiking-Neuron-Nets")
@dataclass(frozen=True, kw_only=True)
class NoisyLIFConfig(NeuronConfig):
    r"""LIF with noise on the membrane that stays in the potential.

    $$h_t=v_{t-1}+\frac{x_t-(v_{t-1}-v_{reset})}{\tau}+\epsilon_t,\quad\epsilon_t\sim\mathcal N(0,\sigma^2),\qquad
      y_t=\Theta(h_t-v_{th})$$

    The noise is drawn from torch's generator.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    sigma: float = 0.2
    """Standard deviation of the noise of one step, σ."""
    noise_in_eval: bool = False
    """Whether the noise stays on in eval mode."""
    v_threshold: float = 1.0
    """Firing threshold."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset)."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    strict: bool = False
    """Whether a potential equal to the threshold stays silent."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Gaussian()
    """Stand-in for the derivative of the spike."""

    def __post_init__(self) -> None:
        check_positive("noisy_lif", sigma=self.sigma)
        self.quiet()

    def quiet(self) -> LIFConfig:
        """The same neuron without noise."""
        return LIFConfig(
            tau=self.tau,
            v_threshold=self.v_threshold,
            v_reset=self.v_reset,
            no_reset=self.no_reset,
            strict=self.strict,
            detach_reset=self.detach_reset,
            surrogate=self.surrogate,
        )

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return NoisyLIFNeuron(self)


class NoisyLIFNeuron(Stateful):
    """Adds noise to the current of a fused LIF, scaled so that the membrane sees σ."""

    def __init__(self, config: NoisyLIFConfig) -> None:
        super().__init__()
        self.config = config
        self.neuron = config.quiet().build()

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        if self.training or self.config.noise_in_eval:
            x = x + torch.randn_like(x) * (self.config.sigma * self.config.tau)
        assert isinstance(self.neuron, Stateful)
        return self.neuron.scan(x, state, keep)


@NEURONS.register("stochastic_lif", source="Gerstner et al., Neuronal Dynamics, Cambridge University Press 2014, 9.1")
@dataclass(frozen=True, kw_only=True)
class StochasticLIFConfig(NeuronConfig):
    r"""LIF that fires by chance (escape noise), with the surrogate's primitive F as the probability.

    $$h_t=v_{t-1}+\frac{x_t-(v_{t-1}-v_{reset})}{\tau},\qquad P(y_t=1)=F(h_t-v_{th}),\qquad
      \frac{\partial y_t}{\partial h_t}=F'(h_t-v_{th})$$

    In eval mode it fires where the probability is at least one half, unless `sample_in_eval`. The randomness is drawn
    from torch's generator.
    """

    tau: float = 2.0
    """Membrane time constant in steps, above 1."""
    sample_in_eval: bool = False
    """Whether it fires by chance in eval mode too."""
    v_threshold: float = 1.0
    """Potential at which the probability is one half."""
    v_reset: float | None = 0.0
    """Potential after a spike (hard reset) and at rest; None subtracts the threshold instead (soft reset)."""
    decay_input: bool = True
    """Whether the input is divided by tau too."""
    no_reset: bool = False
    """Whether a spike leaves the potential as it is."""
    detach_reset: bool = True
    """Whether the gradient ignores the path through the reset."""
    surrogate: SurrogateConfig = Gaussian()
    """Whose primitive is the firing probability; one that runs from 0 to 1."""

    def __post_init__(self) -> None:
        if not self.tau > 1.0:
            raise ConfigError(f"tau={self.tau} of the neuron 'stochastic_lif' must be above 1")
        low, high = self.surrogate.primitive(TorchOps(), torch.tensor([-1e4, 1e4], dtype=torch.float64)).tolist()
        if abs(low) > 0.01 or abs(high - 1.0) > 0.01:
            raise ConfigError(
                f"the primitive of surrogate {self.surrogate.family!r} runs from {low:.3g} to {high:.3g}, so it is no "
                "firing probability; take gaussian, sigmoid or another that runs from 0 to 1"
            )

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return StochasticLIFNeuron(self)


class StochasticLIFNeuron(Stateful):
    """A step loop that draws each spike."""

    def __init__(self, config: StochasticLIFConfig) -> None:
        super().__init__()
        self.config = config

    def initial(self, x0: Tensor) -> State:
        return {"v": torch.full_like(wide(x0), self.config.v_reset or 0.0)}

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        state = self.initial(x[0]) if state is None else state
        check_state(self.config.family, state, x[0])
        c, ops, v, spikes = self.config, TorchOps(), state["v"], []
        for xt in wide(x).unbind(0):
            h = leak(v, xt, 1.0 / c.tau, c.v_reset, c.decay_input)
            y = self._fire(h - c.v_threshold)
            v = reset(ops, h, y, c.v_threshold, c.v_reset, c.detach_reset, c.no_reset)
            spikes.append(y)
        return torch.stack(spikes).to(x.dtype), {"v": v}

    def _fire(self, u: Tensor) -> Tensor:
        p = self.config.surrogate.primitive(TorchOps(), u)
        chance = self.training or self.config.sample_in_eval
        fired = (torch.rand_like(u) < p.detach()) if chance else u >= 0.0
        return fired.to(u.dtype) + (p - p.detach())

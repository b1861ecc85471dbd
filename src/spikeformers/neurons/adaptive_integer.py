"""SpikingBrain's integer neuron, whose threshold follows its input, and the codes that turn integers into spikes."""

from dataclasses import dataclass

from torch import Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.neurons.base import NEURONS, NeuronConfig
from spikeformers.neurons.equations import check_positive
from spikeformers.neurons.tensors import wide


@NEURONS.register("adaptive_integer", source="Pan et al., 2025, arXiv:2509.05276; BICLab/SpikingBrain-7B")
@dataclass(frozen=True, kw_only=True)
class AdaptiveIntegerConfig(NeuronConfig):
    r"""Signed integer spikes with a threshold from the mean magnitude of the channels, in one step.

    $$v_{th}=\mathrm{clip}\Big(\frac1k\,\mathrm{mean}_c|x|,\,a,\,b\Big),\qquad s=\mathrm{round}\Big(\frac{x}{v_{th}}\Big),
      \qquad y=s\,v_{th}$$

    The rounding passes its gradient straight through. `counts` of the module gives s and $v_{th}$, and
    `spikeformers.neurons.codes` turns s into spike trains.
    """

    firing: float = 3.0
    """Mean spike count that the threshold aims at, k; larger means more spikes."""
    min_threshold: float = 1e-5
    """Smallest threshold, a."""
    max_threshold: float = 1e4
    """Largest threshold, b."""
    detach_threshold: bool = False
    """Whether the gradient ignores the path through the threshold."""

    def __post_init__(self) -> None:
        check_positive("adaptive_integer", firing=self.firing, min_threshold=self.min_threshold)
        if not self.max_threshold > self.min_threshold:
            raise ConfigError(f"max_threshold={self.max_threshold} must be above min_threshold={self.min_threshold}")

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return AdaptiveIntegerNeuron(self, axis=axis)


class AdaptiveIntegerNeuron(nn.Module):
    """The module of `AdaptiveIntegerConfig`; it has no state."""

    def __init__(self, config: AdaptiveIntegerConfig, *, axis: int) -> None:
        super().__init__()
        self.config = config
        self.axis = axis

    def counts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Signed spike counts, shaped like x, and the thresholds, with one channel.

        Raises:
            ShapeError: the input has no channel axis.
        """
        if x.dim() <= (self.axis if self.axis >= 0 else -self.axis - 1):
            raise ShapeError(f"adaptive_integer averages over axis {self.axis}; the input is {tuple(x.shape)}")
        c, x = self.config, wide(x)
        threshold = (x.abs().mean(self.axis, keepdim=True) / c.firing).clamp(c.min_threshold, c.max_threshold)
        threshold = threshold.detach() if c.detach_threshold else threshold
        u = x / threshold
        return u.round().detach() + (u - u.detach()), threshold

    def forward(self, x: Tensor) -> Tensor:
        counts, threshold = self.counts(x)
        return (counts * threshold).to(x.dtype)

    def extra_repr(self) -> str:
        return f"{self.config}, axis={self.axis}"

"""Losses on per-step logits."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry

LOSSES: Registry["LossConfig"] = Registry("loss", "spikeformers.tasks")


@dataclass(frozen=True, kw_only=True)
class LossConfig(Config):
    """Abstract: what a classifier minimizes."""

    registry: ClassVar = LOSSES

    label_smoothing: float = 0.0
    """Share of the target that is spread evenly over all classes."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.label_smoothing < 1.0:
            raise ConfigError(f"label_smoothing={self.label_smoothing} must lie in [0, 1)")

    def loss(self, logits: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        """The mean loss of a batch.

        Args:
            logits: per-step outputs [T, B, K].
            scores: their readout [B, K].
            targets: labels [B] or class probabilities [B, K].
        """
        raise NotImplementedError


@LOSSES.register("cross_entropy")
@dataclass(frozen=True, kw_only=True)
class CrossEntropy(LossConfig):
    r"""Cross-entropy of the readout, $\mathrm{CE}(\text{readout}(y), c)$."""

    def loss(self, logits: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        return F.cross_entropy(scores, targets, label_smoothing=self.label_smoothing)


@LOSSES.register("tet", source="Deng et al., 'Temporal efficient training', ICLR 2022, arXiv:2202.11946")
@dataclass(frozen=True, kw_only=True)
class TemporalEfficientTraining(LossConfig):
    r"""Cross-entropy at every step, and a pull of the logits to a constant:
    $(1-\lambda)\,\frac1T\sum_t\mathrm{CE}(y_t, c)+\lambda\,\mathrm{MSE}(y,\varphi)$.
    """

    weight: float = 0.05
    """Weight of the pull, λ."""
    target: float = 1.0
    """What the logits are pulled to, φ; the firing threshold in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.weight <= 1.0:
            raise ConfigError(f"weight={self.weight} of the TET loss must lie in [0, 1]")

    def loss(self, logits: Tensor, scores: Tensor, targets: Tensor) -> Tensor:
        repeated = targets.expand(len(logits), *targets.shape).flatten(0, 1)
        entropy = F.cross_entropy(logits.flatten(0, 1), repeated, label_smoothing=self.label_smoothing)
        return (1 - self.weight) * entropy + self.weight * (logits - self.target).square().mean()

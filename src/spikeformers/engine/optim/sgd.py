"""Stochastic gradient descent."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch.optim import Optimizer

from spikeformers.core.errors import ConfigError
from spikeformers.engine.optim.base import OPTIMIZERS, OptimizerConfig


@OPTIMIZERS.register("sgd", source="Sutskever et al., ICML 2013")
@dataclass(frozen=True, kw_only=True)
class SGDConfig(OptimizerConfig):
    """Stochastic gradient descent with momentum."""

    lr: float = 0.1
    """Learning rate at the top of the schedule."""
    weight_decay: float = 5e-4
    """Decay of weights, coupled with the gradient; biases, normalization and neuron parameters are never decayed."""
    momentum: float = 0.9
    """Share of the last step that is kept."""
    nesterov: bool = False
    """Whether the gradient is taken after the momentum's step."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.momentum < 1.0:
            raise ConfigError(f"momentum={self.momentum} must lie in [0, 1)")
        if self.nesterov and not self.momentum:
            raise ConfigError("nesterov needs momentum above 0; add --optim.momentum 0.9")

    def over(self, groups: Iterable[dict[str, Any]]) -> Optimizer:
        return torch.optim.SGD(groups, lr=self.lr, momentum=self.momentum, nesterov=self.nesterov)

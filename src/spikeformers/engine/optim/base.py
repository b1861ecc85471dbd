"""Optimizers, by name, and which parameters are decayed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn
from torch.optim import Optimizer

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.neurons import NeuronConfig

OPTIMIZERS: Registry["OptimizerConfig"] = Registry("optimizer", "spikeformers.engine.optim")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig(Config):
    """Abstract: how gradients become steps."""

    registry: ClassVar = OPTIMIZERS

    lr: float = 1e-3
    """Learning rate at the top of the schedule."""
    weight_decay: float = 0.05
    """Decay of weights; biases, normalization and neuron parameters are never decayed."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ConfigError(f"lr={self.lr} must be above 0")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay={self.weight_decay} must be 0 (off) or above")

    def build(self, model: nn.Module) -> Optimizer:
        """The optimizer of a model's parameters, in two groups: decayed and not."""
        decayed, plain = split_decay(model)
        groups: list[dict[str, Any]] = [{"params": plain, "weight_decay": 0.0}]
        if decayed:
            groups.insert(0, {"params": decayed, "weight_decay": self.weight_decay})
        return self.over([group for group in groups if group["params"]])

    def over(self, groups: Iterable[dict[str, Any]]) -> Optimizer:
        """The optimizer of parameter groups that each bring their weight decay."""
        raise NotImplementedError


def check_betas(betas: tuple[float, float]) -> None:
    """Refuse decays outside [0, 1).

    Raises:
        ConfigError: names them.
    """
    if not all(0.0 <= beta < 1.0 for beta in betas):
        raise ConfigError(f"betas={betas} must both lie in [0, 1)")


def split_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """A model's trainable parameters: (decayed, not decayed).

    Not decayed are vectors and scalars (biases, scales of norms) and whatever belongs to a neuron.
    """
    neural = {
        id(parameter)
        for module in model.modules()
        if isinstance(getattr(module, "config", None), NeuronConfig)
        for parameter in module.parameters()
    }
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            (plain if parameter.dim() <= 1 or id(parameter) in neural else decayed).append(parameter)
    return decayed, plain

"""Optimizers, by name, and which parameters are decayed."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch import nn
from torch.optim import Optimizer

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.models.adapt import depths
from spikeformers.models.base import SpikingModel
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
    layer_decay: float = 1.0
    """Factor on the learning rate from each block to the one before it, the head having the full one; 1 is none."""

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ConfigError(f"lr={self.lr} must be above 0")
        if not self.weight_decay >= 0:
            raise ConfigError(f"weight_decay={self.weight_decay} must be 0 (off) or above")
        if not 0.0 < self.layer_decay <= 1.0:
            raise ConfigError(f"layer_decay={self.layer_decay} must be above 0 and at most 1 (off)")

    def build(self, model: nn.Module) -> Optimizer:
        """The optimizer of a model's parameters, in groups: decayed and not, and with `layer_decay` so for each depth.

        A group's `lr_scale` is what its learning rate is multiplied by, whatever the schedule.
        """
        scales = layer_scales(model, self.layer_decay)
        groups: list[dict[str, Any]] = []
        for scale in sorted(set(scales.values())):
            for parameters, decay in zip(split_decay(model), (self.weight_decay, 0.0), strict=True):
                chosen = [parameter for parameter in parameters if scales[parameter] == scale]
                if chosen:
                    group = {"params": chosen, "weight_decay": decay, "lr": self.lr * scale, "lr_scale": scale}
                    groups.append(group)
        return self.over(groups)

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


def layer_scales(model: nn.Module, decay: float) -> dict[nn.Parameter, float]:
    r"""The factor on each parameter's learning rate: $d^{\,n+1-l}$ at depth l of n blocks (see `models.adapt.depths`).

    What is outside of the network, such as a learned encoder, counts as its stem.
    """
    if decay == 1.0:
        return dict.fromkeys(model.parameters(), 1.0)
    network = next((part for part in model.modules() if isinstance(part, SpikingModel)), model)
    found, parameters = depths(network), dict(network.named_parameters())
    top = max(found.values(), default=0)
    scales = dict.fromkeys(model.parameters(), decay**top)
    return scales | {parameter: decay ** (top - found[name]) for name, parameter in parameters.items()}


def split_decay(model: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """A model's trainable parameters: (decayed, not decayed).

    Not decayed are vectors and scalars (biases, scales of norms), tables of biases, and whatever belongs to a neuron.
    """
    neural = {
        id(parameter)
        for module in model.modules()
        if isinstance(getattr(module, "config", None), NeuronConfig)
        for parameter in module.parameters()
    }
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            bias = parameter.dim() <= 1 or name.split(".")[-1] == "bias"
            (plain if bias or id(parameter) in neural else decayed).append(parameter)
    return decayed, plain

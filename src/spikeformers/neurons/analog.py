"""Activations that stand where neurons stand, for the ANN twin of every spiking model."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from spikeformers.neurons.base import NEURONS, NeuronConfig


@NEURONS.register("relu", source="Nair and Hinton, ICML 2010")
@dataclass(frozen=True, kw_only=True)
class ReLUConfig(NeuronConfig):
    r"""Rectified linear unit, $y=\max(0,x)$: no state, no threshold, analog output."""

    spiking: ClassVar[bool] = False

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return nn.ReLU()


@NEURONS.register("identity", source="")
@dataclass(frozen=True, kw_only=True)
class IdentityConfig(NeuronConfig):
    """No activation at all, $y=x$: shows what the network is without its neurons."""

    spiking: ClassVar[bool] = False

    def build(self, *, channels: int | None = None, axis: int = 2) -> nn.Module:
        return nn.Identity()

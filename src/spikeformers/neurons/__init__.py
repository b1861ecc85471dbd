"""Neurons, by name. `LIF(tau=2.0)` builds the module of the config `LIFConfig`; so for every registered neuron."""

from typing import Any

from torch import nn

from spikeformers.neurons.base import NEURONS, Neuron, NeuronConfig, ScanConfig
from spikeformers.neurons.surrogate import SURROGATES, SurrogateConfig

__all__ = ["NEURONS", "SURROGATES", "Neuron", "NeuronConfig", "NeuronFactory", "ScanConfig", "SurrogateConfig"]


class NeuronFactory:
    """Builds the module of one neuron from its fields; a surrogate may be given by name.

    Args (of the call):
        channels, axis: as in `NeuronConfig.build`.
        fields: those of the config class, by name.

    Raises:
        ConfigError: a field does not exist or has a wrong value.

    Example:
        >>> import torch
        >>> LIF = NeuronFactory(NEURONS.entry("lif").cls)
        >>> LIF(tau=2.0, surrogate="sigmoid")(torch.rand(4, 2, 8)).shape
        torch.Size([4, 2, 8])
    """

    def __init__(self, config_class: type[NeuronConfig]) -> None:
        self.config_class = config_class
        self.__name__ = config_class.__name__.removesuffix("Config")
        self.__doc__ = config_class.__doc__

    def __call__(self, *, channels: int | None = None, axis: int = 2, **fields: Any) -> nn.Module:
        return self.config_class().but(**fields).build(channels=channels, axis=axis)

    def __repr__(self) -> str:
        return f"<neuron {self.__name__}>"


def __getattr__(name: str) -> Any:
    for entry in NEURONS:
        if entry.name == entry.family:
            if entry.cls.__name__ == name:
                return entry.cls
            if entry.cls.__name__ == f"{name}Config":
                return NeuronFactory(entry.cls)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    classes = [entry.cls.__name__ for entry in NEURONS]
    return sorted({*__all__, *classes, *(name.removesuffix("Config") for name in classes)})

"""Watching a model's neurons from outside, by hooks that exist only while someone watches."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from spikeformers.neurons import NeuronConfig


def spiking_layers(model: nn.Module) -> dict[str, nn.Module]:
    """Module path → module, for every neuron of the model that fires."""
    return {
        path: module
        for path, module in model.named_modules()
        if isinstance(config := getattr(module, "config", None), NeuronConfig) and config.spiking
    }


@contextmanager
def watching(model: nn.Module, see: Callable[[str, Tensor], None]) -> Iterator[None]:
    """Show `see` the path and output [T, B, ...] of every firing neuron, at every call inside the block."""

    def hook_of(path: str) -> Callable[[nn.Module, Any, Any], None]:
        return lambda module, inputs, output: see(path, output.detach())

    handles = [module.register_forward_hook(hook_of(path)) for path, module in spiking_layers(model).items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()

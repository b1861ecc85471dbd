"""Networks with weights and activations of few bits: trained so (QAT), or rounded after training (PTQ)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from spikeformers.conversion.quantizer import Quantizer, sample
from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.mode import evaluating

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
_MOST = 16


@dataclass(frozen=True, kw_only=True)
class QuantizeConfig(Config):
    """Bits of weights and activations; none keeps full precision. Biases, norms and neurons are never quantized."""

    weights: int | None = None
    """Bits of the weights of convolutions and linear layers, with a step for each output channel."""
    activations: int | None = None
    """Bits of what enters these layers, with a step for each layer; leave it none where spikes enter."""
    ends: int = 8
    """Fewest bits of weights and activations of the first and the last layer, in the order of their definition."""

    def __post_init__(self) -> None:
        for name, least in (("weights", 2), ("activations", 1), ("ends", 1)):
            bits = getattr(self, name)
            if bits is not None and not least <= bits <= _MOST:
                raise ConfigError(
                    f"{name}={bits} bits must lie between {least} and {_MOST}, or be none (not quantized)"
                )

    @property
    def on(self) -> bool:
        """Whether anything is quantized."""
        return self.weights is not None or self.activations is not None

    def remarks(self) -> list[str]:
        """What a reader of an energy count of such a network must know."""
        bits = {"weights": self.weights, "activations": self.activations}
        named = " and ".join(f"{number}-bit {name}" for name, number in bits.items() if number is not None)
        return [f"this network has {named}, but is priced in fp32, rounding of activations included"] if named else []


def quantize(model: nn.Module, config: QuantizeConfig, batches: Iterable[Tensor] | None = None) -> nn.Module:
    """Let weights, and what enters their layers, pass a `Quantizer`, in place; returns the model.

    To train it so, quantize a fresh or trained model without batches and train; the first training batch fits the steps of
    activations. To round a trained model, give batches: its steps are fitted to what enters its layers on them. Weights'
    steps are fitted at once in either case. What a batch norm scales per channel, a step per channel takes up, so
    that folding it changes nothing.

    Args:
        model: with convolutions or linear layers.
        config: bits.
        batches: what the model takes, for the steps of activations.

    Raises:
        ConfigError: the model is quantized already, has no such layers, or there is no batch in `batches`.
    """
    layers = {path: module for path, module in model.named_modules() if isinstance(module, _LAYERS)}
    if not layers:
        raise ConfigError(f"{type(model).__name__} has no convolution or linear layer to quantize")
    for path, layer in layers.items():
        if parametrize.is_parametrized(layer, "weight") or hasattr(layer, "quantizer"):
            raise ConfigError(f"layer {path!r} is quantized already; quantize the model as it was before")
    seen = _inputs(model, layers, batches) if batches is not None and config.activations is not None else {}
    for path, layer in layers.items():
        at_end = path in (next(iter(layers)), next(reversed(layers)))
        if config.weights is not None:
            weights = Quantizer(max(config.weights, config.ends) if at_end else config.weights, layer.weight.shape[0])
            weights.fit(layer.weight)
            parametrize.register_parametrization(layer, "weight", weights)
        if config.activations is not None:
            layer.input_quantizer = Quantizer(max(config.activations, config.ends) if at_end else config.activations)
            layer.register_forward_pre_hook(_quantize_input)
            if path in seen:
                layer.input_quantizer.fit(torch.cat(seen[path]))
    return model


def _quantize_input(layer: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
    return (layer.input_quantizer(args[0]), *args[1:])


def _inputs(model: nn.Module, layers: dict[str, nn.Module], batches: Iterable[Tensor]) -> dict[str, list[Tensor]]:
    """Values that enter each layer on the batches."""
    seen: dict[str, list[Tensor]] = {}
    handles = [
        layer.register_forward_pre_hook(lambda _, args, path=path: seen.setdefault(path, []).append(sample(args[0])))
        for path, layer in layers.items()
    ]
    try:
        with evaluating(model), torch.no_grad():
            for batch in batches:
                model(batch)
    finally:
        for handle in handles:
            handle.remove()
    if not seen:
        raise ConfigError("quantize needs at least one batch to fit the steps of activations; none was given")
    return seen

"""Inference in binary spikes of networks trained with integer spikes: each count becomes virtual steps."""

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.core.mode import evaluating
from spikeformers.neurons import Neuron
from spikeformers.neurons.multispike import gather, unroll

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


class Unrolled(nn.Module):
    r"""A convolution or linear layer that sees only spikes of 0 and ±1, and gives what it gave for integer counts.

    $$Wx+b=u\sum_{k=1}^{D}W\,s_k+b,\qquad x=u\sum_{k=1}^{D}s_k$$

    D is the largest count in the input; the bias is added once. In exact arithmetic the outputs are equal; rounding differs as
    by the order of a sum.

    Args:
        layer: what is run; its parameters stay its own.
        units: what one spike may be worth, u; the largest of which the whole input is a multiple is taken.

    Raises:
        ShapeError: the input is no integer multiple of any unit.
    """

    def __init__(self, layer: nn.Module, units: tuple[float, ...]) -> None:
        super().__init__()
        self.layer = layer
        self.units = units

    def forward(self, x: Tensor) -> Tensor:
        found = counts(x, self.units)
        if found is None:
            raise ShapeError(
                f"a layer that took spikes when it was unrolled got {tuple(x.shape)} values that are no counts of "
                f"{', '.join(map(str, self.units))}; unroll it with an example like this input"
            )
        whole, unit = found
        depth = max(int(whole.abs().max()), 1) if whole.numel() else 1
        y = gather(self._without_bias(unroll(whole, depth)), depth) * unit
        bias: Tensor | None = getattr(self.layer, "bias", None)
        if bias is None:
            return y
        return y + (bias if isinstance(self.layer, nn.Linear) else bias.view(-1, *[1] * (y.dim() - 2)))

    def _without_bias(self, spikes: Tensor) -> Tensor:
        bias = getattr(self.layer, "bias", None)
        changed = {} if bias is None else {"bias": torch.zeros_like(bias)}
        result: Tensor = torch.func.functional_call(self.layer, changed, (spikes,))
        return result


def unroll_model(model: nn.Module, example: Tensor) -> dict[str, int]:
    """Let every weighted layer that integer spikes enter run on binary spikes, in place.

    Which layers these are is measured on `example`; layers that analog values enter (the first one of most networks), or whose
    activations are quantized, stay.
    Products of two spike tensors, as in attention, stay integer: they hold no weights. `energy.simulate` runs those spike by
    spike as well.

    Args:
        model: a network of integer neurons (`ilif`, `multispike`, `gif`, …); it is run in evaluation mode.
        example: what the model takes; its neurons should fire.

    Returns:
        Path of every layer that was unrolled → virtual steps that the example needed, its largest count.

    Raises:
        ConfigError: no layer of the model takes spikes, or it is unrolled already.
    """
    if any(isinstance(module, Unrolled) for module in model.modules()):
        raise ConfigError(f"{type(model).__name__} is unrolled already")
    worth = {module.config.spike_unit() for module in model.modules() if isinstance(module, Neuron)}
    units = tuple(sorted({1.0, *worth}, reverse=True))
    depths = _measured(model, example, units)
    if not depths:
        raise ConfigError(
            f"no layer of {type(model).__name__} takes spikes; unrolling is for networks of integer neurons"
        )
    for path in depths:
        parent, _, name = path.rpartition(".")
        setattr(model.get_submodule(parent), name, Unrolled(model.get_submodule(path), units))
    return depths


def counts(x: Tensor, units: tuple[float, ...]) -> tuple[Tensor, float] | None:
    """x in whole numbers of the first unit of which it is a multiple, and that unit; None where there is none."""
    slack = 8.0 * torch.finfo(x.dtype).eps
    for unit in units:
        whole = (x / unit).round()
        if bool(((whole * unit - x).abs() <= slack * x.abs()).all()):
            return whole, unit
    return None


def _measured(model: nn.Module, example: Tensor, units: tuple[float, ...]) -> dict[str, int]:
    """Largest count that enters each layer, of those that spikes alone enter, whenever they are called."""
    seen: dict[str, list[int | None]] = {}

    def look(path: str, x: Tensor) -> None:
        found = counts(x, units)
        seen.setdefault(path, []).append(None if found is None else int(found[0].abs().max()))

    handles = [
        module.register_forward_pre_hook(lambda _, args, path=path: look(path, args[0]))
        for path, module in model.named_modules()
        if isinstance(module, _LAYERS) and not module._forward_pre_hooks
    ]
    try:
        with evaluating(model), torch.no_grad():
            model(example)
    finally:
        for handle in handles:
            handle.remove()
    return {
        path: max(d for d in depths if d is not None)
        for path, depths in seen.items()
        if all(d is not None for d in depths)
    }

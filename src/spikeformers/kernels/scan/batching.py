"""`torch.func.vmap` over a scan: the mapped axis becomes one more axis of neurons, behind T.

A parameter that all share is given to every sample anew in the backward pass, so that each gets its own gradient.
"""

from collections.abc import Sequence

from torch import Tensor

Axes = Sequence[int | None]


def mapped(values: Sequence[Tensor], axes: Axes, size: int, at: int = 0) -> list[Tensor]:
    """Tensors with their mapped axis at `at`; those that have none get it by expansion."""
    return [_placed(value, axis, size, at) for value, axis in zip(values, axes, strict=True)]


def mapped_parameters(params: Sequence[Tensor], axes: Axes, size: int, x: Tensor, shared: bool) -> list[Tensor]:
    """Parameters for the steps of x [T, size, ...]: numbers, or one value per neuron.

    Args:
        params: numbers or tensors shaped like a step, without the mapped axis.
        axes: where it is in each.
        size: of the mapped axis.
        x: the mapped input.
        shared: whether a number without a mapped axis may stay one.
    """
    found = []
    for value, axis in zip(params, axes, strict=True):
        if shared and axis is None and value.dim() == 0:
            found.append(value)
            continue
        value = _placed(value, axis, size, 0)
        found.append(value.view(size, *[1] * (x.dim() - 2)).expand(x.shape[1:]) if value.dim() == 1 else value)
    return found


def summed(gradients: Sequence[Tensor], params: Sequence[Tensor], axes: Axes) -> list[Tensor]:
    """Gradients [size, ...] of mapped parameters; those of numbers are summed over their sample's neurons."""
    numbers = [value.dim() == (axis is not None) for value, axis in zip(params, axes, strict=True)]
    return [g.flatten(1).sum(1) if number and g.dim() > 1 else g for g, number in zip(gradients, numbers, strict=True)]


def _placed(value: Tensor, axis: int | None, size: int, at: int) -> Tensor:
    if axis is not None:
        return value.movedim(axis, at)
    return value.unsqueeze(at).expand(*value.shape[:at], size, *value.shape[at:])

"""The T axis and layers that do not know of it."""

from torch import Tensor, nn


def over_time(module: nn.Module, x: Tensor) -> Tensor:
    """Apply a stateless module to every step: [T, B, ...] → [T, B, ...], with T folded into the batch.

    A static input that was repeated over T without a copy (stride 0, see `repeat`) is computed once and its output
    repeated, since every step would give the same. Batch statistics are the same either way.
    """
    if is_repeated(x):
        return repeat(module(x[0]), x.shape[0])
    return module(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def repeat(x: Tensor, steps: int) -> Tensor:
    """Show one step T times without copying it: [B, ...] → [T, B, ...] with stride 0 over T (direct coding)."""
    return x.unsqueeze(0).expand(steps, *x.shape)


def is_repeated(x: Tensor) -> bool:
    """Whether x [T, ...] is one step shown T > 1 times by `repeat`."""
    return x.shape[0] > 1 and x.stride(0) == 0

"""Max-pooling that keeps one byte an output: the place in the window."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from spikeformers.kernels.transforms import forward_mode, transforming

_MOST_PLACES = 256


class OneBytePool(torch.autograd.Function):
    """`torch.max_pool2d` on [..., C, H, W] with dilation 1; outputs and gradients are the same, bit by bit.

    Torch keeps its input, of which it needs only the shape, and the index of every maximum in the plane as int64.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, window: tuple[int, int], stride: tuple[int, int], padding: tuple[int, int], ceil: bool
    ) -> Tensor:
        y, index = torch.ops.aten.max_pool2d_with_indices(x, window, stride, padding, (1, 1), ceil)
        ctx.like = x.shape, x.stride()
        ctx.geometry = window, stride, padding, ceil
        starts, places, _ = _tables(tuple(y.shape[-2:]), x.shape[-1], window, stride, padding, x.device)
        ctx.save_for_backward(places[index - starts])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Any, ...]:
        (place,) = ctx.saved_tensors
        window, stride, padding, ceil = ctx.geometry
        like = torch.empty_strided(*ctx.like, dtype=gy.dtype, device=gy.device)
        starts, _, steps = _tables(tuple(gy.shape[-2:]), like.shape[-1], window, stride, padding, gy.device)
        index = steps[place.int()] + starts
        gx = torch.ops.aten.max_pool2d_with_indices_backward(gy, like, window, stride, padding, (1, 1), ceil, index)
        return gx, None, None, None, None


def max_pool2d(
    x: Tensor,
    kernel_size: int | Sequence[int],
    stride: int | Sequence[int] | None = None,
    padding: int | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """As `torch.nn.functional.max_pool2d`; keeps one byte an output where the window allows it.

    Inside torch's function transforms it is torch's.
    """
    window, spread = _pair(kernel_size), _pair(dilation)
    step = _pair(stride) if stride else window
    fits = spread == (1, 1) and window[0] * window[1] <= _MOST_PLACES and x.shape[-1] >= window[1]
    if not fits or not x.requires_grad or transforming() or forward_mode():
        return torch.max_pool2d(x, window, step, _pair(padding), spread, ceil_mode)
    return OneBytePool.apply(x, window, step, _pair(padding), ceil_mode)  # type: ignore[no-any-return,no-untyped-call]


def _pair(value: int | Sequence[int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (value[0], value[-1])


@lru_cache(maxsize=64)
def _tables(
    size: tuple[int, int],
    width: int,
    window: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    device: torch.device,
) -> tuple[Tensor, Tensor, Tensor]:
    """(index of each window's first place [H', W'], distance from it → place, place → distance from it)."""
    rows = torch.arange(size[0], device=device) * stride[0] - padding[0]
    columns = torch.arange(size[1], device=device) * stride[1] - padding[1]
    starts = rows.unsqueeze(1) * width + columns
    steps = (
        torch.arange(window[0], device=device).unsqueeze(1) * width + torch.arange(window[1], device=device)
    ).flatten()
    places = torch.zeros(int(steps[-1]) + 1, dtype=torch.uint8, device=device)
    places[steps] = torch.arange(len(steps), dtype=torch.uint8, device=device)
    return starts, places, steps

"""Which memory layouts the kernels take as they are.

A kernel sees x as [T, N] in storage order: the steps one after the other, each step dense in any order of its axes
(channels_last too). Other layouts are copied first.
"""

import torch
from torch import Tensor


def dense(x: Tensor, first: int = 0) -> bool:
    """Whether the axes of x from `first` on fill memory without gaps or overlaps, in any order."""
    return x.is_contiguous() or _extent(x, first) is not None


def steps_outermost(x: Tensor) -> bool:
    """Whether the steps of x lie one after the other, each dense."""
    if x.is_contiguous():
        return True
    extent = _extent(x, 1)
    return extent is not None and (x.shape[0] == 1 or x.stride(0) == extent)


def with_steps_outermost(x: Tensor) -> Tensor:
    """x itself where its layout serves, else a contiguous copy."""
    return x if x.numel() == 0 or steps_outermost(x) else x.contiguous()


def in_layout_of(x: Tensor, like: Tensor) -> Tensor:
    """x, of `like`'s shape or expandable to it, laid out in memory as `torch.empty_like(like)` is; x itself if it is so."""
    if x.shape == like.shape and _same_strides(x, like) and dense(like):
        return x
    target = torch.empty_like(like, dtype=x.dtype)
    if x.shape == target.shape and _same_strides(x, target):
        return x
    return target.copy_(x)


def _same_strides(a: Tensor, b: Tensor) -> bool:
    return a.stride() == b.stride() or all(
        s == t for s, t, size in zip(a.stride(), b.stride(), a.shape, strict=True) if size > 1
    )


def _extent(x: Tensor, first: int) -> int | None:
    expected = 1
    for axis in sorted((a for a in range(first, x.dim()) if x.shape[a] != 1), key=x.stride):
        if x.stride(axis) != expected:
            return None
        expected *= x.shape[axis]
    return expected

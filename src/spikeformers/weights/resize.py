"""Tensors whose shape follows the image size, fitted to another: what each kind means as a map, interpolated.

A model config names its own in `positional()`: pattern of the name → one of these functions.
"""

from collections.abc import Callable
from math import isqrt

import torch.nn.functional as F
from torch import Size, Tensor

Resize = Callable[[Tensor, Size], Tensor]
"""A tensor and the shape it shall get → a tensor of that shape."""


def keep(tensor: Tensor, shape: Size) -> Tensor:
    """For buffers that follow from the config alone: the model's own is right, the file's is dropped."""
    raise LookupError("such a tensor is never read from a file")


def relative_table(table: Tensor, shape: Size) -> Tensor:
    """A table of relative positions [(2s-1)², h] → [(2s'-1)², h], bicubic over the offsets."""
    return _grid(table.T, isqrt(shape[0]), "bicubic").T


def token_vector(vector: Tensor, shape: Size) -> Tensor:
    """One value per token [N] → [N'], bilinear over the map."""
    return _grid(vector[None], isqrt(shape[0]), "bilinear")[0]


def token_pairs(weight: Tensor, shape: Size) -> Tensor:
    """A mixing of tokens [N, N, k] (to, from, ·) → [N', N', k], bilinear over both maps; the sum over `from` is kept."""
    before, side = weight.shape[0], isqrt(shape[0])
    to = _grid(weight.flatten(1).T, side, "bilinear").T.reshape(side * side, before, -1)
    both = _grid(to.transpose(1, 2).flatten(0, 1), side, "bilinear").view(side * side, -1, side * side)
    return both.transpose(1, 2) * (before / side**2)


def flat_map(channels: int) -> Resize:
    """A readout of the flattened map [K, C·N] → [K, C·N'], bilinear over the map; the sum over it is kept."""

    def resize(weight: Tensor, shape: Size) -> Tensor:
        maps = weight.view(weight.shape[0] * channels, -1)
        side = isqrt(shape[1] // channels)
        return (_grid(maps, side, "bilinear") * (maps.shape[1] / side**2)).view(tuple(shape))

    return resize


def _grid(rows: Tensor, side: int, mode: str) -> Tensor:
    """Square maps as rows [n, s·s] → [n, side·side]."""
    old = isqrt(rows.shape[1])
    maps = rows.reshape(1, -1, old, old).float()
    return F.interpolate(maps, (side, side), mode=mode, align_corners=False).reshape(-1, side * side).to(rows.dtype)

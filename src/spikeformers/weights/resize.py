"""Tensors whose shape follows the image size, fitted to another: what each kind means as a map, interpolated.

A model config names its own in `positional()`: pattern of the name → one of these functions. Each gets the image sizes
that the tensor was made for and shall be made for: a map has the proportions of its image.
"""

from collections.abc import Callable
from math import isqrt

import torch.nn.functional as F
from torch import Size, Tensor

Extent = tuple[int, int]
"""Height and width of an image or a map."""
Resize = Callable[[Tensor, Size, Extent, Extent], Tensor]
"""A tensor, the shape it shall get, the image size it is of and that of the result → a tensor of that shape."""


def keep(tensor: Tensor, shape: Size, before: Extent, after: Extent) -> Tensor:
    """For buffers that follow from the config alone: the model's own is right, the file's is dropped."""
    raise LookupError("such a tensor is never read from a file")


def relative_table(table: Tensor, shape: Size, before: Extent, after: Extent) -> Tensor:
    """A table of relative positions [(2s-1)², h] in square windows → [(2s'-1)², h], bicubic over the offsets."""
    old, new = isqrt(table.shape[0]), isqrt(shape[0])
    return _fit(table.T, (old, old), (new, new), "bicubic").T


def token_vector(vector: Tensor, shape: Size, before: Extent, after: Extent) -> Tensor:
    """One value per token [N] → [N'], bilinear over the map."""
    return _fit(vector[None], map_of(vector.shape[0], before), map_of(shape[0], after), "bilinear")[0]


def token_kernel(weight: Tensor, shape: Size, before: Extent, after: Extent) -> Tensor:
    """A depthwise kernel over all tokens and steps [C, 1, N, T] → [C, 1, N', T], bilinear over the map; its sum is kept.

    Raises:
        LookupError: the numbers of steps differ.
    """
    channels, _, tokens, steps = weight.shape
    if steps != shape[3]:
        raise LookupError(f"a kernel of {steps} steps does not become one of {shape[3]}")
    rows = weight[:, 0].transpose(1, 2).flatten(0, 1)
    fitted = _fit(rows, map_of(tokens, before), map_of(shape[2], after), "bilinear") * (tokens / shape[2])
    return fitted.view(channels, 1, steps, -1).transpose(2, 3).contiguous()


def token_pairs(weight: Tensor, shape: Size, before: Extent, after: Extent) -> Tensor:
    """A mixing of tokens [N, N, k] (to, from, ·) → [N', N', k], bilinear over both maps; the sum over `from` is kept."""
    count, tokens = weight.shape[0], shape[0]
    old, new = map_of(count, before), map_of(tokens, after)
    to = _fit(weight.flatten(1).T, old, new, "bilinear").T.reshape(tokens, count, -1)
    both = _fit(to.transpose(1, 2).flatten(0, 1), old, new, "bilinear").view(tokens, -1, tokens)
    return both.transpose(1, 2) * (count / tokens)


def flat_map(channels: int) -> Resize:
    """A readout of the flattened map [K, C·N] → [K, C·N'], bilinear over the map; the sum over it is kept."""

    def resize(weight: Tensor, shape: Size, before: Extent, after: Extent) -> Tensor:
        maps, pixels = weight.view(weight.shape[0] * channels, -1), shape[1] // channels
        fitted = _fit(maps, map_of(maps.shape[1], before), map_of(pixels, after), "bilinear")
        return (fitted * (maps.shape[1] / pixels)).view(tuple(shape))

    return resize


def map_of(cells: int, image: Extent) -> Extent:
    """Height and width of the map of so many cells that an image of this size is divided into.

    Raises:
        LookupError: no stride gives so many.
    """
    for stride in range(1, max(image) + 1):
        height, width = -(-image[0] // stride), -(-image[1] // stride)
        if height * width == cells:
            return height, width
    raise LookupError(f"an image of {image[0]}×{image[1]} has no map of {cells} cells")


def _fit(rows: Tensor, old: Extent, new: Extent, mode: str) -> Tensor:
    """Maps as rows [n, h·w] → [n, h'·w']."""
    maps = rows.reshape(1, -1, *old).float()
    return F.interpolate(maps, new, mode=mode, align_corners=False).reshape(rows.shape[0], -1).to(rows.dtype)

"""Between maps [T, B, C, H, W] and tokens [T, B, N, C], and between tokens and attention heads [T, B, h, N, d]."""

from math import isqrt

from torch import Tensor

from spikeformers.core.errors import ShapeError

Grid = tuple[int, int]
"""Height and width of a map, in tokens."""


def grid_of(tokens: int, grid: Grid | None) -> Grid:
    """Height and width of the map that so many tokens are of: `grid`, or the square they fill where that is None.

    Raises:
        ShapeError: another number of tokens, or one that fills no square.
    """
    side = isqrt(tokens)
    height, width = grid or (side, side)
    if height * width != tokens:
        wanted = f"a map of {height}×{width}" if grid else "a square map"
        raise ShapeError(f"these {tokens} tokens are not those of {wanted}")
    return height, width


def to_tokens(x: Tensor) -> Tensor:
    """Maps [T, B, C, H, W] → tokens [T, B, H·W, C]."""
    return x.flatten(3).transpose(2, 3).contiguous()


def to_maps(x: Tensor, height: int, width: int) -> Tensor:
    """Tokens [T, B, H·W, C] → maps [T, B, C, H, W]."""
    return x.transpose(2, 3).unflatten(3, (height, width))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Tokens [T, B, N, C] → [T, B, h, N, C / h]; channel c belongs to head c // (C / h)."""
    return x.unflatten(3, (heads, -1)).transpose(2, 3)


def merge_heads(x: Tensor) -> Tensor:
    """[T, B, h, N, d] → tokens [T, B, N, h·d]."""
    return x.transpose(2, 3).flatten(3)

"""Between maps [T, B, C, H, W] and tokens [T, B, N, C], and between tokens and attention heads [T, B, h, N, d]."""

from torch import Tensor


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

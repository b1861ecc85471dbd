"""Tensors of spikes, of their sums and of their averages in fewer bytes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spikeformers.kernels.scan.layout import dense

_SAMPLE = 1024
_SCALES = (1.0, 4.0, 8.0, 16.0)
_WEIGHTS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Packed:
    """Small multiples of a power of two in storage order: eight to a byte (`bits`) or one to a byte.

    Attributes:
        data: the bytes.
        like: an empty tensor of the same shape, strides and dtype, on the meta device.
        bits: whether eight values share a byte.
        scale: what the values were multiplied by to become whole.
    """

    data: Tensor
    like: Tensor
    bits: bool
    scale: float = 1.0


def pack(x: Tensor, smallest: int = 4096) -> Packed | Tensor:
    """x in fewer bytes if its values are 0 and 1, or become whole numbers from 0 to 255 times 1, 4, 8 or 16; else x itself.

    Args:
        x: any tensor.
        smallest: tensors with fewer elements are left alone.
    """
    if not x.is_floating_point() or x.numel() < smallest or not dense(x):
        return x
    flat = torch.as_strided(x.detach(), (x.numel(),), (1,), x.storage_offset())
    sample = flat[:: -(-len(flat) // _SAMPLE)]
    scale = next((s for s in _SCALES if _whole(sample * s)), None)
    if scale is None:
        return x
    data = (flat if scale == 1.0 else flat * scale).to(torch.uint8)
    if not torch.equal(_scaled(data.to(x.dtype), scale), flat):
        return x
    like = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    if scale != 1.0 or int(data.max()) > 1:
        return Packed(data, like, bits=False, scale=scale)
    return Packed(_to_bits(data), like, bits=True)


def unpack(packed: Packed | Tensor) -> Tensor:
    """What `pack` was given."""
    if isinstance(packed, Tensor):
        return packed
    like = packed.like
    flat = _from_bits(packed.data, like.numel()) if packed.bits else packed.data
    x = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=packed.data.device)
    _scaled(torch.as_strided(x, (like.numel(),), (1,)).copy_(flat), packed.scale)
    return x


def _scaled(values: Tensor, scale: float) -> Tensor:
    """Whole numbers divided by a power of two, in place and exactly."""
    return values if scale == 1.0 else values.mul_(1.0 / scale)


def _whole(x: Tensor) -> bool:
    return bool(((x >= 0) & (x <= 255) & (x == x.floor())).all())


def _to_bits(data: Tensor) -> Tensor:
    if data.device.type == "cpu":
        import numpy as np

        return torch.from_numpy(np.packbits(data.numpy(), bitorder="little"))
    weights = torch.tensor(_WEIGHTS, dtype=torch.uint8, device=data.device)
    padded = torch.nn.functional.pad(data, (0, -data.numel() % 8))
    return (padded.view(-1, 8) * weights).sum(1, dtype=torch.uint8)


def _from_bits(data: Tensor, count: int) -> Tensor:
    if data.device.type == "cpu":
        import numpy as np

        return torch.from_numpy(np.unpackbits(data.numpy(), count=count, bitorder="little"))
    shifts = torch.arange(8, dtype=torch.uint8, device=data.device)
    return ((data.unsqueeze(1) >> shifts) & 1).view(-1)[:count]

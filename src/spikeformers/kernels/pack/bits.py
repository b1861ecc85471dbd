"""Tensors of small whole numbers in fewer bytes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from spikeformers.kernels.scan.layout import dense

_SAMPLE = 1024
_WEIGHTS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True)
class Packed:
    """Small whole numbers in storage order: eight to a byte (`bits`) or one to a byte.

    Attributes:
        data: the bytes.
        like: an empty tensor of the same shape, strides and dtype, on the meta device.
        bits: whether eight values share a byte.
    """

    data: Tensor
    like: Tensor
    bits: bool


def pack(x: Tensor, smallest: int = 4096) -> Packed | Tensor:
    """x in fewer bytes if all its values are 0 and 1, or whole numbers from 0 to 255; else x itself.

    Args:
        x: any tensor.
        smallest: tensors with fewer elements are left alone.
    """
    if not x.is_floating_point() or x.numel() < smallest or not dense(x):
        return x
    flat = torch.as_strided(x.detach(), (x.numel(),), (1,), x.storage_offset())
    if not _whole(flat[:_SAMPLE]):
        return x
    data = flat.to(torch.uint8)
    if not torch.equal(data.to(x.dtype), flat):
        return x
    like = torch.empty_strided(x.shape, x.stride(), dtype=x.dtype, device="meta")
    if int(data.max()) > 1:
        return Packed(data, like, bits=False)
    return Packed(_to_bits(data), like, bits=True)


def unpack(packed: Packed | Tensor) -> Tensor:
    """What `pack` was given."""
    if isinstance(packed, Tensor):
        return packed
    like = packed.like
    flat = _from_bits(packed.data, like.numel()) if packed.bits else packed.data
    x = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype, device=packed.data.device)
    torch.as_strided(x, (like.numel(),), (1,)).copy_(flat)
    return x


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

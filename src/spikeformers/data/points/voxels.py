"""Points put into cubes of space, and what becomes of those that share one."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from spikeformers.core.errors import ShapeError

Merge = Literal["mean", "sum", "max", "first"]
"""What a voxel gets of its points. Results depend on it, so it belongs to what is reported."""


@dataclass(frozen=True)
class Voxels:
    """Occupied voxels, in the order of their coordinates (x first).

    Attributes:
        coordinates: [V, 3], int64.
        member: voxel of each point [N].
        counts: points of each voxel [V].
    """

    coordinates: Tensor
    member: Tensor
    counts: Tensor


def voxelize(points: Tensor, size: float) -> Voxels:
    """Voxel ⌊p / size⌋ of each point [N, 3], and all that are occupied.

    Raises:
        ShapeError: the size is not above 0, or the points are not [N, 3].
    """
    if not size > 0 or points.dim() != 2 or points.shape[1] != 3:
        raise ShapeError(f"size={size} must be above 0 and points {tuple(points.shape)} must be [N, 3]")
    cells = (points / size).floor().long()
    coordinates, member, counts = cells.unique(dim=0, return_inverse=True, return_counts=True)
    return Voxels(coordinates, member, counts)


def merge(values: Tensor, voxels: Voxels, how: Merge = "mean") -> Tensor:
    """One value [V, C] for each voxel, of the values [N, C] of its points; "first" takes the earliest point's."""
    count = len(voxels.coordinates)
    if how == "first":
        order = torch.arange(len(values), device=values.device)
        earliest = torch.full((count,), len(values), device=values.device)
        return values[earliest.scatter_reduce(0, voxels.member, order, "amin")]
    place = voxels.member.unsqueeze(1).expand_as(values)
    out = values.new_zeros(count, values.shape[1])
    if how == "max":
        return out.scatter_reduce(0, place, values, "amax", include_self=False)
    total = out.scatter_add(0, place, values)
    return total / voxels.counts.unsqueeze(1) if how == "mean" else total

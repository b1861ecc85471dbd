"""Clouds of points as samples, and what brings every cloud to one size and place."""

from collections.abc import Sequence

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import DataError
from spikeformers.data.points.views import ViewConfig
from spikeformers.data.samples import ArraySamples, Indices


class Clouds(ArraySamples):
    """Clouds [N, points, C] in memory, viewed when asked for.

    Args:
        clouds: float32, positions in the first three columns.
        targets: [N], or [N, points] where every point has its class.
        origin: file or folder, for names.
        view: what a model gets.
        names: place of each sample in `origin`; by default its position.

    Raises:
        DataError: as `ArraySamples`.
    """

    def __init__(
        self, clouds: Tensor, targets: Tensor, origin: str, view: ViewConfig, names: Sequence[object] | None = None
    ) -> None:
        super().__init__(clouds, targets, origin, names=names)
        self._view = view

    def inputs(self, indices: Indices) -> Tensor:
        return self._view.view(super().inputs(indices))


def check_cloud(points: Tensor, origin: str) -> Tensor:
    """The cloud [N, C], if it is one.

    Raises:
        DataError: there are no points, or one is not finite.
    """
    if not len(points):
        raise DataError(f"{origin}: an empty cloud; a sample needs at least one point")
    wrong = (~torch.isfinite(points).all(1)).nonzero().flatten()
    if len(wrong):
        raise DataError(f"{origin}: point {int(wrong[0])} is not finite (NaN or infinite)")
    return points


def to_unit_ball(points: Tensor) -> Tensor:
    """Clouds [..., N, C] with their mean position at the origin and their farthest point at distance 1.

    A cloud whose points all coincide is put at the origin. Columns after the third stay as they are.
    """
    places = points[..., :3]
    centered = places - places.mean(-2, keepdim=True)
    radius = centered.norm(dim=-1, keepdim=True).amax(-2, keepdim=True)
    placed = centered / radius.clamp(min=torch.finfo(points.dtype).tiny)
    return torch.cat([placed, points[..., 3:]], -1)


def take_points(points: Tensor, count: int, generator: Generator) -> Tensor:
    """Positions of `count` points of a cloud [N, ...]: drawn without repetition, and again from all where N is too small."""
    rounds = -(-count // len(points))
    return torch.cat([torch.randperm(len(points), generator=generator) for _ in range(rounds)])[:count]


def turn(points: Tensor, angle: float) -> Tensor:
    """A cloud [N, 3] turned about z by `angle` radians."""
    cosine, sine = torch.tensor(angle).cos(), torch.tensor(angle).sin()
    x, y, z = points.unbind(-1)
    return torch.stack([cosine * x - sine * y, sine * x + cosine * y, z], -1)

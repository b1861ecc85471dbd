"""Which points lie near which: farthest point sampling, k nearest neighbors, balls. Exact; ties go to the earlier point.

Source: Qi et al., "PointNet++", NeurIPS 2017, arXiv:1706.02413.
"""

import torch
from torch import Tensor

from spikeformers.core.errors import ShapeError

CHUNK = 1 << 24
"""Distances held at once."""


def farthest_points(points: Tensor, count: int, start: int = 0) -> Tensor:
    """Positions [B, count] of points that are spread out: each is the farthest from all chosen before it.

    Args:
        points: [B, N, 3].
        count: how many, at most N.
        start: the first one.

    Raises:
        ShapeError: there are fewer points.
    """
    batch, total, _ = points.shape
    if not 1 <= count <= total or not 0 <= start < total:
        raise ShapeError(f"count={count} and start={start} do not fit clouds of {total} points")
    chosen = torch.empty(batch, count, dtype=torch.int64, device=points.device)
    nearest = torch.full((batch, total), torch.inf, dtype=points.dtype, device=points.device)
    current = torch.full((batch,), start, device=points.device)
    rows = torch.arange(batch, device=points.device)
    for i in range(count):
        chosen[:, i] = current
        nearest = torch.minimum(nearest, (points - points[rows, current].unsqueeze(1)).square().sum(-1))
        current = nearest.argmax(1)
    return chosen


def nearest_points(points: Tensor, queries: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` nearest points of each query, nearest first.

    Args:
        points: [B, N, 3].
        queries: [B, Q, 3].
        count: how many, at most N.

    Returns:
        Their distances [B, Q, count] and positions [B, Q, count].

    Raises:
        ShapeError: there are fewer points.
    """
    if not 1 <= count <= points.shape[1]:
        raise ShapeError(f"count={count} does not fit clouds of {points.shape[1]} points")
    step = max(1, CHUNK // (points.shape[0] * points.shape[1]))
    distances, places = [], []
    for part in queries.split(step, 1):
        ordered, order = _distances(part, points).sort(dim=-1, stable=True)
        distances.append(ordered[..., :count])
        places.append(order[..., :count])
    return torch.cat(distances, 1), torch.cat(places, 1)


def points_in_ball(points: Tensor, queries: Tensor, radius: float, most: int) -> tuple[Tensor, Tensor]:
    """The first `most` points, in their own order, no farther than `radius` from each query.

    Args:
        points: [B, N, 3].
        queries: [B, Q, 3].
        radius: of the balls.
        most: places for each ball, at most N.

    Returns:
        Positions [B, Q, most], in which a ball's first point fills the places it leaves free (the nearest point, where a
        ball is empty), and how many points the ball has [B, Q], at most `most`.

    Raises:
        ShapeError: there are fewer points.
    """
    total = points.shape[1]
    if not 1 <= most <= total:
        raise ShapeError(f"most={most} does not fit clouds of {total} points")
    places, counts = [], []
    for part in queries.split(max(1, CHUNK // (points.shape[0] * total)), 1):
        distances = _distances(part, points)
        inside = distances <= radius
        first = torch.where(inside.any(-1), inside.int().argmax(-1), distances.argmin(-1))
        order = torch.where(inside, torch.arange(total, device=points.device), total).sort(-1).values[..., :most]
        places.append(torch.where(order < total, order, first.unsqueeze(-1)))
        counts.append(inside.sum(-1).clamp(max=most))
    return torch.cat(places, 1), torch.cat(counts, 1)


def _distances(queries: Tensor, points: Tensor) -> Tensor:
    """[B, Q, N], without the matrix product that loses digits."""
    return torch.cdist(queries, points, compute_mode="donot_use_mm_for_euclid_dist")

import pytest
import torch
from torch import Tensor

from spikeformers.core.errors import ShapeError
from spikeformers.data.points import neighbors
from spikeformers.data.points.neighbors import farthest_points, nearest_points, points_in_ball


def clouds(count: int = 40) -> Tensor:
    """Two clouds on a coarse grid, so that many distances are equal."""
    return torch.randint(0, 5, (2, count, 3)).double()


def distance(a: list[float], b: list[float]) -> float:
    return sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) ** 0.5


def test_farthest_points_are_those_that_brute_force_finds() -> None:
    points = clouds()
    found = farthest_points(points, 9, start=3)
    for cloud, chosen in zip(points.tolist(), found.tolist(), strict=True):
        slow = [3]
        while len(slow) < 9:
            gaps = [min(distance(p, cloud[c]) for c in slow) for p in cloud]
            slow.append(gaps.index(max(gaps)))
        assert chosen == slow


def test_all_points_are_chosen_once_where_all_are_wanted() -> None:
    points = torch.rand(2, 12, 3)
    assert farthest_points(points, 12).sort(1).values.tolist() == [list(range(12))] * 2


@pytest.mark.parametrize("chunk", [1, 100, 1 << 24])
def test_nearest_points_are_those_that_brute_force_finds(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "CHUNK", chunk)
    points, queries = clouds(), clouds(7) + 0.25
    gaps, places = nearest_points(points, queries, 6)
    for b in range(2):
        for q in range(7):
            slow = sorted((distance(p, queries[b, q].tolist()), i) for i, p in enumerate(points[b].tolist()))[:6]
            assert places[b, q].tolist() == [i for _, i in slow]
            assert gaps[b, q].tolist() == pytest.approx([d for d, _ in slow])


@pytest.mark.parametrize("chunk", [1, 1 << 24])
def test_balls_hold_what_brute_force_finds(chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(neighbors, "CHUNK", chunk)
    points, queries = clouds(), clouds(7)
    queries[0, 0] = 50.0  # far from everything
    places, counts = points_in_ball(points, queries, 1.5, 4)
    assert counts[0, 0] == 0
    for b in range(2):
        for q in range(7):
            gaps = [distance(p, queries[b, q].tolist()) for p in points[b].tolist()]
            inside = [i for i, gap in enumerate(gaps) if gap <= 1.5][:4]
            assert counts[b, q] == len(inside)
            free = inside[0] if inside else gaps.index(min(gaps))
            assert places[b, q].tolist() == inside + [free] * (4 - len(inside))


def test_more_than_there_are_is_refused() -> None:
    points = torch.rand(1, 5, 3)
    with pytest.raises(ShapeError, match="count=6 and start=0 do not fit clouds of 5"):
        farthest_points(points, 6)
    with pytest.raises(ShapeError, match="count=6"):
        nearest_points(points, points, 6)
    with pytest.raises(ShapeError, match="most=6"):
        points_in_ball(points, points, 1.0, 6)

import pytest
import torch

from spikeformers.core.errors import DataError
from spikeformers.data.points.mesh import fan, make_mesh, sample_surface

SQUARE = torch.tensor([[0.0, 0, 0], [4, 0, 0], [4, 1, 0], [0, 1, 0]])


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_points_are_spread_in_proportion_to_area() -> None:
    mesh = make_mesh(
        torch.tensor([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 5], [3, 0, 5], [0, 3, 5]]),
        torch.tensor([[0, 1, 2], [3, 4, 5]]),
        "two",
    )
    assert mesh.areas.tolist() == [0.5, 4.5]
    points = sample_surface(mesh, 20_000, stream(), "two")
    assert points.dtype == torch.float32
    assert (points[:, 2] > 2).float().mean() == pytest.approx(0.9, abs=0.01)
    low = points[points[:, 2] < 2]
    assert low.mean(0).tolist() == pytest.approx([1 / 3, 1 / 3, 0], abs=0.02)
    assert low.min() >= 0
    assert low.sum(1).max() <= 1 + 1e-6


def test_a_square_is_covered_evenly() -> None:
    mesh = make_mesh(SQUARE, torch.tensor(fan([0, 1, 2, 3])), "square")
    points = sample_surface(mesh, 40_000, stream(), "square")
    counts = torch.histogramdd(points[:, :2].double(), bins=[8, 2], range=[0.0, 4.0, 0.0, 1.0]).hist
    assert ((counts - 2500).abs() < 6 * 2500**0.5).all()


def test_the_seed_decides_the_points_and_faces_without_area_get_none() -> None:
    mesh = make_mesh(SQUARE, torch.tensor([[0, 0, 0], [0, 1, 2], [3, 3, 2]]), "square")
    one, two, other = (sample_surface(mesh, 50, stream(seed), "square") for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert (one[:, 1] <= one[:, 0] / 4 + 1e-6).all()


def test_what_is_no_surface_is_refused() -> None:
    faces = torch.tensor([[0, 1, 2]])
    with pytest.raises(DataError, match=r"a: triangle 0 has the vertices \[0, 1, 4\], but there are 0 … 3"):
        make_mesh(SQUARE, torch.tensor([[0, 1, 4]]), "a")
    with pytest.raises(DataError, match="a: vertex 2 is not finite"):
        make_mesh(torch.tensor([[0.0, 0, 0], [1, 0, 0], [torch.nan, 0, 0]]), faces, "a")
    with pytest.raises(DataError, match="4 vertices and 0 faces"):
        make_mesh(SQUARE, faces[:0], "a")
    with pytest.raises(DataError, match="a: all 1 triangles have no area"):
        sample_surface(make_mesh(SQUARE, torch.tensor([[1, 1, 2]]), "a"), 5, stream(), "a")

import math

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.points.clouds import check_cloud, take_points, to_unit_ball, turn
from spikeformers.data.points.views import VIEWS, Slices


@pytest.mark.parametrize("axis", ["x", "y", "z"])
def test_slices_hold_exactly_the_occupied_cells(axis: str) -> None:
    clouds = torch.rand(3, 40, 3) * 2.2 - 1.1  # some lie beyond the grid
    config = Slices(steps=3, size=5, axis=axis)  # type: ignore[arg-type]
    grid = config.view(clouds)
    assert grid.shape == (3, *config.shape(40, 3)) == (3, 3, 1, 5, 5)
    slow = torch.zeros_like(grid)
    for n in range(3):
        for point in clouds[n].tolist():
            t, h, w = ({"x": "xzy", "y": "yzx", "z": "zyx"}[axis][i] for i in range(3))
            cell = [
                min(max(math.floor((point["xyz".index(name)] + 1) / 2 * count), 0), count - 1)
                for name, count in ((t, 3), (h, 5), (w, 5))
            ]
            slow[n, cell[0], 0, cell[1], cell[2]] = 1
    assert torch.equal(grid, slow)


def test_points_are_viewed_as_they_are() -> None:
    config = VIEWS.config("points")
    clouds = torch.rand(2, 7, 6)
    assert torch.equal(config.view(clouds), clouds)
    assert config.shape(7, 6) == (7, 6)
    with pytest.raises(ConfigError, match="steps=0"):
        Slices(steps=0)


def test_a_cloud_is_brought_into_the_unit_ball_and_its_colors_stay() -> None:
    cloud = torch.cat([torch.randn(2, 50, 3) * 7 + 3, torch.rand(2, 50, 2)], -1)
    placed = to_unit_ball(cloud)
    assert placed[..., :3].norm(dim=-1).amax(1).tolist() == pytest.approx([1.0, 1.0])
    assert placed[..., :3].mean(1).abs().max() < 1e-6
    assert torch.equal(placed[..., 3:], cloud[..., 3:])
    assert torch.equal(to_unit_ball(torch.full((4, 3), 2.5)), torch.zeros(4, 3))


def test_turning_is_about_z_and_keeps_distances() -> None:
    turned = turn(torch.tensor([[1.0, 0.0, 5.0]]), math.pi / 2)
    assert turned[0].tolist() == pytest.approx([0.0, 1.0, 5.0], abs=1e-6)


def test_points_are_drawn_without_repetition_as_far_as_they_go() -> None:
    stream = torch.Generator().manual_seed(0)
    assert take_points(torch.rand(10, 3), 6, stream).unique().numel() == 6
    many = take_points(torch.rand(4, 3), 9, stream)
    assert many.bincount(minlength=4).min() >= 2
    assert len(many) == 9


def test_empty_and_broken_clouds_are_refused() -> None:
    with pytest.raises(DataError, match="a: an empty cloud"):
        check_cloud(torch.empty(0, 3), "a")
    with pytest.raises(DataError, match="a: point 1 is not finite"):
        check_cloud(torch.tensor([[0.0, 0, 0], [0, torch.inf, 0]]), "a")

import math
from collections import defaultdict

import pytest
import torch

from spikeformers.core.errors import ShapeError
from spikeformers.data.points.voxels import merge, voxelize


def test_voxels_hold_what_brute_force_finds() -> None:
    points, values = torch.randn(200, 3), torch.randn(200, 2)
    voxels = voxelize(points, 0.7)
    slow: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for i, point in enumerate(points.tolist()):
        slow[tuple(math.floor(x / 0.7) for x in point)].append(i)
    assert [tuple(c) for c in voxels.coordinates.tolist()] == sorted(slow)
    assert voxels.counts.tolist() == [len(slow[cell]) for cell in sorted(slow)]
    for how in ("mean", "sum", "max", "first"):
        merged = merge(values, voxels, how)  # type: ignore[arg-type]
        for row, cell in zip(merged, sorted(slow), strict=True):
            inside = values[slow[cell]]
            wanted = {"mean": inside.mean(0), "sum": inside.sum(0), "max": inside.amax(0), "first": inside[0]}[how]
            assert torch.allclose(row, wanted, atol=1e-6)
    assert torch.equal(voxels.coordinates[voxels.member], (points / 0.7).floor().long())


def test_sizes_and_shapes_that_make_no_grid_are_refused() -> None:
    with pytest.raises(ShapeError, match="size=0"):
        voxelize(torch.rand(4, 3), 0.0)
    with pytest.raises(ShapeError, match=r"\(4, 2\)"):
        voxelize(torch.rand(4, 2), 1.0)

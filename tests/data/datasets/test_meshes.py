import tarfile
from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.datasets.meshes import ARCHIVE, CLASSES, DEBIAN_CGAL

SMALL = {"per_class": (2, 1, 1), "points": 64}


def test_the_real_meshes_are_found_unasked_and_told_apart() -> None:
    if not (Path(DEBIAN_CGAL) / ARCHIVE).exists():
        pytest.skip("needs Debian's package libcgal-demo")
    config = DATASETS.config("meshes").but(per_class=(3, 1, 1), points=512, rotation=0.0)
    splits = config.build()
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [48, 16, 16]
    known, seen = splits.train.inputs(range(48)).flatten(1), splits.test.inputs(range(16)).flatten(1)
    nearest = torch.cdist(seen, known).argmin(1)
    assert (splits.train.targets(nearest) == splits.test.targets(range(16))).float().mean() >= 0.75


def test_parts_are_drawn_apart_and_the_seed_decides_them(tmp_path: Path) -> None:
    config = DATASETS.config("meshes").but(root=str(tmp_path), **SMALL, view="points")
    config.fake(16, tmp_path)
    splits, again, other = config.build(), config.build(), config.but(sample_seed=1).build()
    assert splits.train.inputs([0]).shape == (1, 64, 3)
    assert torch.equal(splits.train.inputs([5]), again.train.inputs([5]))
    assert not torch.equal(splits.train.inputs([5]), other.train.inputs([5]))
    for i in range(16):
        assert not torch.equal(splits.train.inputs([i]), splits.val.inputs([i]))
        assert not torch.equal(splits.val.inputs([i]), splits.test.inputs([i]))


def test_every_field_changes_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("meshes").but(root=str(tmp_path), **SMALL, view="points")
    config.fake(16, tmp_path)
    base = config.build().train.inputs([0])
    for changes in ({"rotation": 0.0}, {"jitter": 0.0}, {"points": 32}):
        x = config.but(**changes).build().train.inputs([0])
        assert x.shape != base.shape or not torch.equal(x, base)
    assert config.but(jitter=0.0).build().train.inputs([0]).norm(dim=-1).max() == pytest.approx(1.0)
    assert len(config.but(per_class=(3, 1, 1)).build().train) == 48
    assert config.but(view="slices").build().train.inputs([0]).shape == (1, 8, 1, 32, 32)
    with pytest.raises(ConfigError, match=r"rotation=270\.0 must lie between 0 and 180"):
        config.but(rotation=270.0)
    with pytest.raises(ConfigError, match=r"per_class=\(1, 0, 1\)"):
        config.but(per_class=(1, 0, 1))


def test_archives_are_read_unopened_and_damaged_ones_named(tmp_path: Path) -> None:
    config = DATASETS.config("meshes").but(root=str(tmp_path / "packed"), **SMALL)
    config.fake(16, tmp_path)
    (tmp_path / "packed").mkdir()
    with tarfile.open(tmp_path / "packed" / ARCHIVE, "w:gz") as archive:
        archive.add(tmp_path / "meshes", "data/meshes")
    packed, plain = config.build(), config.but(root=str(tmp_path)).build()
    assert torch.equal(packed.test.inputs([3]), plain.test.inputs([3]))
    (tmp_path / "meshes" / "bull.off").unlink()
    with pytest.raises(DataError, match=r"lacks bull\.off"):
        config.but(root=str(tmp_path)).build()
    path = tmp_path / "packed" / ARCHIVE
    path.write_bytes(path.read_bytes()[:900])
    with pytest.raises(DataError, match=r"data\.tar\.gz"):
        config.build()


def test_without_the_package_the_message_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="apt-get install libcgal-demo"):
        DATASETS.config("meshes").but(root=str(tmp_path)).build()
    assert len(CLASSES) >= 10

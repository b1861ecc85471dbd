from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import DataError
from spikeformers.data import DATASETS
from spikeformers.data.events.representation import Frames


def test_the_real_subset_of_n_mnist_is_read(shared: Path) -> None:
    config = DATASETS.config("n_mnist").but(root=str(shared / "data" / "n-mnist-1100"))
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (900, 100, 100)
    assert splits.val.targets(range(100)).bincount().min() >= 8
    x = splits.train.inputs([0, 1])
    assert x.shape == (2, 10, 2, 34, 34)
    sizes = [(shared / "data" / splits.train.name(i).removeprefix("data/")).stat().st_size for i in (0, 1)]
    assert x.sum((1, 2, 3, 4)).tolist() == [size / 5 for size in sizes]


def test_representation_and_size_change_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("n_mnist")
    config.fake(40, tmp_path)
    config = config.but(root=str(tmp_path))
    base = config.build().train.inputs([0])
    for changed, shape in (
        (config.but(representation="voxel_grid"), (5, 1, 34, 34)),
        (config.but(representation="time_surface"), (10, 2, 34, 34)),
        (config.but(size=16), (10, 2, 16, 16)),
        (config.but(representation=Frames(steps=3)), (3, 2, 34, 34)),
    ):
        assert changed.info.shape == shape
        assert changed.build().train.inputs([0]).shape[1:] == shape
    by_count = config.but(representation=Frames(by="count")).build().train.inputs([0])
    assert by_count.sum() == base.sum()
    assert not torch.equal(by_count, base)


def test_an_empty_or_foreign_recording_names_its_file(tmp_path: Path) -> None:
    config = DATASETS.config("n_mnist")
    config.fake(40, tmp_path)
    splits = config.but(root=str(tmp_path)).build()
    name = splits.test.name(3)
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(DataError, match="empty recording") as caught:
        splits.test.inputs([3])
    assert name in str(caught.value)
    (tmp_path / name).write_bytes(bytes([34, 0, 0, 0, 1]))
    with pytest.raises(DataError, match="x=34, outside the sensor of 34×34"):
        splits.test.inputs([3])


def test_a_list_that_names_missing_files_is_refused(tmp_path: Path) -> None:
    config = DATASETS.config("n_mnist").but(root=str(tmp_path))
    for name in ("train1K.txt", "test100.txt"):
        (tmp_path / name).write_text("#sample #class\n1\t5\n")
    with pytest.raises(DataError, match=r"such as 1\.bs2"):
        config.build()
    (tmp_path / "train1K.txt").write_text("1\t11\n")
    with pytest.raises(DataError, match="label 11"):
        config.build()
    (tmp_path / "train1K.txt").write_text("one five\n")
    with pytest.raises(DataError, match="lines must hold"):
        config.build()

from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig
from spikeformers.data.events.readers import aedat
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


def test_saccades_keep_the_split_and_labels_of_their_images(tmp_path: Path) -> None:
    config = DATASETS.config("saccades")
    config.fake(30, tmp_path)
    images = config.images.but(root=str(tmp_path)).build()
    events = config.but(root=str(tmp_path)).build()
    for one, two in ((images.train, events.train), (images.test, events.test)):
        assert [one.name(i) for i in range(len(one))] == [two.name(i) for i in range(len(two))]
        assert torch.equal(one.targets([0, 1]), two.targets([0, 1]))
    more = config.but(root=str(tmp_path), threshold=0.1).build().train.inputs([0])
    fewer = config.but(root=str(tmp_path), amplitude=0.5).build().train.inputs([0])
    assert fewer.sum() < events.train.inputs([0]).sum() < more.sum()


def test_saccades_need_square_images() -> None:
    with pytest.raises(ConfigError, match="square gray or color images"):
        DATASETS.config("saccades").but(images="n_mnist")


def test_a_class_of_cifar10_dvs_without_recordings_is_refused(tmp_path: Path) -> None:
    config = DATASETS.config("cifar10_dvs")
    config.fake(20, tmp_path)
    for path in (tmp_path / "frog").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="no recordings of frog"):
        config.but(root=str(tmp_path)).build()


def gesture(tmp_path: Path) -> DataConfig:
    config = DATASETS.config("dvs128_gesture")
    config.fake(66, tmp_path)
    return config.but(root=str(tmp_path), representation=Frames(steps=2))


def test_gestures_are_cut_out_of_their_recording_by_time(tmp_path: Path) -> None:
    splits = gesture(tmp_path).build()
    whole = aedat.read(tmp_path / "user01_fluorescent.aedat").events["t"]
    x = splits.train.inputs(range(11))
    counts = [int(((whole >= k * 10_000) & (whole < (k + 1) * 10_000)).sum()) for k in range(11)]
    assert x.sum((1, 2, 3, 4)).tolist() == counts
    assert splits.train.targets(range(11)).tolist() == list(range(11))


def test_people_of_the_validation_part_are_in_no_other(tmp_path: Path) -> None:
    splits = gesture(tmp_path).but(val_users=2).build()
    people = [
        {p.name(i).split("/")[-1].split("_")[0] for i in range(len(p))} for p in (splits.train, splits.val, splits.test)
    ]
    assert len(people[1]) == 2
    assert sum(map(len, people)) == len(set.union(*people))
    with pytest.raises(ConfigError, match="val_users=9"):
        gesture(tmp_path).but(val_users=9).build()


def test_gesture_lists_and_labels_that_cannot_be_are_refused(tmp_path: Path) -> None:
    config = gesture(tmp_path)
    labels = tmp_path / "user01_fluorescent_labels.csv"
    labels.write_text("class,startTime_usec,endTime_usec\n12,0,10\n")
    with pytest.raises(DataError, match="line 2: class 12"):
        config.build()
    labels.write_text("class,start,end\n")
    with pytest.raises(DataError, match="the first line must be class,startTime_usec,endTime_usec"):
        config.build()
    labels.write_text("class,startTime_usec,endTime_usec\n1,x,10\n")
    with pytest.raises(DataError, match="line 2: three whole numbers"):
        config.build()
    (tmp_path / "trials_to_test.txt").write_text("user01_fluorescent.aedat\n")
    with pytest.raises(DataError, match="user01_fluorescent stand in both lists"):
        config.build()
    labels.unlink()
    with pytest.raises(DataError, match=r"without file or labels: user01_fluorescent\.aedat"):
        config.build()

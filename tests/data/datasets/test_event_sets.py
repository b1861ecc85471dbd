"""Datasets of event recordings: real files in their layout where there are some, and what each refuses."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig
from spikeformers.data.boxes import NO_BOX
from spikeformers.data.datasets.gen1 import BOX, Gen1Config
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import matlab, nmnist, prophesee_dat, read_recording
from spikeformers.data.events.representation import Frames
from spikeformers.data.samples import Samples, grouped


def made(name: str, root: Path, n: int = 60) -> DataConfig:
    config = DATASETS.config(name)
    config.fake(n, root)
    return config.but(root=str(root))


def names(part: Samples) -> list[str]:
    return [part.name(i) for i in range(len(part))]


def test_the_real_recording_of_n_cars_is_read_in_its_layout(shared: Path, tmp_path: Path) -> None:
    config = made("n_cars", tmp_path, 40)
    real = shared / "data" / "recordings" / "sample_ncars.dat"
    shutil.copy(real, tmp_path / "n-cars_test" / "cars" / "obj_000000_td.dat")
    test = config.build().test
    first = names(test).index("n-cars_test/cars/obj_000000_td.dat")
    assert test.targets([first]).item() == config.info.classes.index("cars")
    assert test.inputs([first]).sum() == len(read_recording(real).events) == 2009


def test_a_real_recording_in_the_layout_of_n_caltech101(shared: Path, tmp_path: Path) -> None:
    config = made("n_caltech101", tmp_path, 101 * 4)
    assert len(config.info.classes) == 101
    real = shared / "data" / "recordings" / "sample_nmnist.bin"
    shutil.copy(real, tmp_path / "Caltech101" / "yin_yang" / "image_0099.bin")
    splits = config.build()
    for part in (splits.train, splits.val, splits.test):
        for index in [i for i, name in enumerate(names(part)) if "0099" in name]:
            assert part.targets([index]).item() == 100
            assert part.inputs([index]).sum() == len(nmnist.read(real).events)


@pytest.mark.parametrize(
    ("name", "classes"), [("ucf101_dvs", 101), ("hmdb_dvs", 51), ("har_dvs", 300), ("asl_dvs", 24)]
)
def test_the_number_of_classes_is_that_of_the_authors(name: str, classes: int) -> None:
    assert len(DATASETS.config(name).info.classes) == classes


def test_no_source_video_and_no_person_is_in_two_parts(tmp_path: Path) -> None:
    for name, group in (
        ("hmdb_dvs", lambda n: n.split("/")[-1].split("_u_nm")[0].rsplit("_", 1)[0][:8]),
        ("sl_animals_dvs", lambda n: n.split("/")[-1].split("_")[0]),
        ("ucf101_dvs", lambda n: n.split("_g")[1][:2]),
    ):
        splits = made(name, tmp_path / name, 404).build()
        parts = [{group(n) for n in names(part)} for part in (splits.train, splits.val, splits.test)]
        assert sum(map(len, parts)) == len(set.union(*parts)) >= 3, name


def test_groups_are_cut_by_share_and_seed() -> None:
    groups = [f"person {i % 12}" for i in range(120)]
    parts = grouped(groups, (0.25, 0.25), 0)
    assert [len(part) for part in parts] == [30, 30, 60]
    assert sorted(torch.cat(parts).tolist()) == list(range(120))
    assert not torch.equal(grouped(groups, (0.25, 0.25), 1)[0], parts[0])
    with pytest.raises(DataError, match="2 groups are too few for 3 parts"):
        grouped(["a", "b"], (0.3, 0.3), 0)


def test_official_splits_of_ucf101_differ_and_are_whole(tmp_path: Path) -> None:
    config = made("ucf101_dvs", tmp_path, 404)
    one = config.build()
    assert {n.split("_g")[1][:2] for n in names(one.test)} == {"01"}
    assert {n.split("_g")[1][:2] for n in names(config.but(split=3, val_groups=17).build().test)} == {"15"}
    with pytest.raises(ConfigError, match="split=4"):
        config.but(split=4)
    (tmp_path / "YoYo" / "odd.mat").write_bytes(b"")
    with pytest.raises(DataError, match=r"odd\.mat: the name does not tell group"):
        config.build()


def test_lists_are_checked_line_by_line(tmp_path: Path) -> None:
    config = made("daily_dvs_200", tmp_path)
    text = (tmp_path / "train.txt").read_text()
    for line, message in (
        ("event_raw/a.aedat4 200", "label 200 is outside 0 … 199"),
        ("event_raw/a.aedat4", "is no path and label"),
        ("event_raw/a.aedat4 3", "1 of them are not there, such as event_raw/a.aedat4"),
    ):
        (tmp_path / "train.txt").write_text(f"{text}{line}\n")
        with pytest.raises(DataError, match=message):
            config.build()
    shared_line = (tmp_path / "test.txt").read_text().splitlines()[0]
    (tmp_path / "train.txt").write_text(f"{text}{shared_line}\n")
    with pytest.raises(DataError, match=r"stands in train\.txt and in test\.txt"):
        config.build()


def test_signs_are_cut_out_by_event_number(tmp_path: Path) -> None:
    config = made("sl_animals_dvs", tmp_path).but(representation=Frames(steps=2), cache=False)
    splits = config.build()
    assert (splits.train.inputs(range(5)).sum((1, 2, 3, 4)) == 10).all()
    tags = tmp_path / "tags_updated_19_08_2020" / "user01_imse.csv"
    for text, message in (
        ("class,a,b\n1,2,3\n", "the first line must be class,startTime_ev,endTime_ev"),
        ("class,startTime_ev,endTime_ev\n20,0,9\n", "line 2: class 20 from event 0 to 9 is not possible"),
        ("class,startTime_ev,endTime_ev\n1,x,9\n", "line 2: three whole numbers"),
    ):
        tags.write_text(text)
        with pytest.raises(DataError, match=message):
            config.build()
    tags.unlink()
    with pytest.raises(DataError, match="10 recordings, 1 without tags"):
        config.build()


def test_rows_of_the_davis240_are_turned_upright(tmp_path: Path) -> None:
    events = fake_events(3, 180, 240)
    matlab.write(tmp_path / "a.mat", events)
    raw, upright = matlab.read(tmp_path / "a.mat").events, matlab.read_upright(tmp_path / "a.mat").events
    assert np.array_equal(upright, events)
    assert np.array_equal(raw["y"], 179 - events["y"])


def gen1(tmp_path: Path, boxes: list[tuple[float, ...]]) -> Gen1Config:
    """Made-up recordings; the first of the training part has these boxes (ts, x, y, w, h, class)."""
    config = made("gen1", tmp_path)
    assert isinstance(config, Gen1Config)
    rows = np.zeros(len(boxes), BOX)
    for row, (ts, *place, kind) in zip(rows, boxes, strict=True):
        row["ts"], row["class_id"] = ts, kind
        for name, value in zip("xywh", place, strict=True):
            row[name] = value
    np.save(tmp_path / "train" / "train_0_bbox.npy", rows)
    return config


def test_the_label_rows_have_the_published_size_and_places() -> None:
    assert BOX.itemsize == 40
    assert [BOX.fields[name][1] for name in BOX.names or ()] == [0, 8, 12, 16, 20, 24, 28, 32]  # type: ignore[index]


def test_a_sample_of_gen1_is_the_window_before_a_moment_and_its_boxes(tmp_path: Path) -> None:
    config = gen1(
        tmp_path, [(600_000, 100, 50, 60, 40, 0), (600_000, -20, 200, 60, 80, 1), (900_000, 10, 10, 5, 60, 0)]
    )
    splits = config.but(most_boxes=3).build()
    first = next(i for i, name in enumerate(names(splits.train)) if name.endswith("train_0_td.dat#350000-600000"))
    events = prophesee_dat.read(tmp_path / "train" / "train_0_td.dat").events
    inside = ((events["t"] >= 350_000) & (events["t"] < 600_000)).sum()
    assert splits.train.inputs([first]).sum() == inside > 0
    scale = 320 / 304
    rows = splits.train.targets([first])[0]
    assert rows[0].tolist() == pytest.approx([0, 100 * scale, (50 + 32) * scale, 60 * scale, 40 * scale])
    assert rows[1].tolist() == pytest.approx([1, 0, (200 + 32) * scale, 40 * scale, 40 * scale])  # cut at the border
    assert rows[2, 0] == NO_BOX
    assert not any("650000-900000" in name for name in names(splits.train))  # its only box is too narrow


def test_boxes_that_cannot_be_are_refused(tmp_path: Path) -> None:
    for n, (box, message) in enumerate(
        [
            ((600_000, 100, 50, 0, 40, 0), "box 0 .*w=0.* has no area"),
            ((600_000, 100, 50, 30, np.nan, 0), "is not finite"),
            ((600_000, 100, 50, 30, 40, 2), "has a class outside 0 … 1"),
        ]
    ):
        with pytest.raises(DataError, match=message) as caught:
            gen1(tmp_path / str(n), [box]).build()
        assert "train_0_bbox.npy" in str(caught.value)
    config = gen1(tmp_path / "many", [(600_000, 100, 50, 60, 40, 0)] * 3)
    with pytest.raises(DataError, match="has 3 boxes, more than most_boxes=2"):
        config.but(most_boxes=2).build()
    labels = tmp_path / "many" / "train" / "train_0_bbox.npy"
    labels.write_bytes(labels.read_bytes()[:100])
    with pytest.raises(DataError, match="not a readable NumPy file"):
        config.build()
    np.save(labels, np.zeros(3))
    with pytest.raises(DataError, match="these have none"):
        config.build()
    labels.with_name("train_0_td.dat").unlink()
    with pytest.raises(DataError, match=r"no recording train_0_td\.dat"):
        config.build()
    for change in ({"mix": "mixup"}, {"augment": "event_drop"}, {"window_us": 0}, {"min_side": -1.0}):
        with pytest.raises(ConfigError):
            config.but(**change)


def test_later_label_files_that_call_time_t_are_read(tmp_path: Path) -> None:
    config = gen1(tmp_path, [(600_000, 100, 50, 60, 40, 1)])
    path = tmp_path / "train" / "train_0_bbox.npy"
    rows = np.load(path)
    rows.dtype.names = tuple("t" if name == "ts" else name for name in rows.dtype.names)
    np.save(path, rows)
    assert config.build().train.targets([0])[0, 0, 0] == 1


def test_a_window_without_events_is_a_sample_of_zeros(tmp_path: Path) -> None:
    config = gen1(tmp_path, [(5_000_000, 100, 50, 60, 40, 0)])
    assert config.build().train.inputs([0]).sum() == 0

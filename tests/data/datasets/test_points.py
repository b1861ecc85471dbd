import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig
from spikeformers.data.datasets.s3dis import read_room
from spikeformers.data.datasets.semantic_kitti import CLASSES, read_classes, read_scan
from spikeformers.data.formats.hdf5_arrays import read_arrays, write_arrays


def faked(name: str, root: Path, n: int = 60, **changes: object) -> DataConfig:
    config = DATASETS.config(name).but(**changes)
    config.fake(n, root)
    return config.but(root=str(root))


def test_modelnet_keeps_the_official_test_and_reads_meshes_once_with_a_cache(tmp_path: Path) -> None:
    config = faked("modelnet10", tmp_path, points=32, view="points", cache=True)
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (45, 5, 10)
    assert all("/test/" in splits.test.name(i) for i in range(10))
    x = splits.test.inputs([0, 1])
    assert x.norm(dim=-1).amax(1).tolist() == pytest.approx([1.0, 1.0])
    first = tmp_path / "ModelNet10" / splits.test.name(0)
    state = first.stat()
    first.write_bytes(b"#" * state.st_size)
    os.utime(first, ns=(state.st_atime_ns, state.st_mtime_ns))  # so that the cache takes it for the same file
    assert torch.equal(config.build().test.inputs([0, 1]), x)
    with pytest.raises(DataError, match=r"\.off: does not start with OFF"):
        config.but(cache=False).build().test.inputs([0])
    assert not torch.equal(config.but(sample_seed=1).build().test.inputs([1]), x[1:])


def test_modelnet_is_read_from_hdf5(tmp_path: Path) -> None:
    folder = tmp_path / "modelnet40_ply_hdf5_2048"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 80), ("test", 40)):
        data = rng.uniform(-1, 1, (count, 2048, 3)).astype(np.float32)
        label = (np.arange(count) % 40).astype(np.uint8)[:, None]
        write_arrays(folder / f"ply_data_{part}0.h5", {"data": data, "label": label})
        (folder / f"{part}_files.txt").write_text(f"data/modelnet40_ply_hdf5_2048/ply_data_{part}0.h5\n")
    config = DATASETS.config("modelnet40").but(root=str(tmp_path), view="points", points=100)
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (72, 8, 40)
    first = torch.from_numpy(data[3, :100])
    centered = first - first.mean(0)
    assert torch.allclose(splits.test.inputs([3])[0], centered / centered.norm(dim=1).max(), atol=1e-6)
    with pytest.raises(ConfigError, match="points=4096, but the HDF5 files"):
        config.but(points=4096).build()
    write_arrays(folder / "ply_data_test0.h5", {"data": data, "label": label + 1})
    with pytest.raises(DataError, match=r"ply_data_test0\.h5: label 40 of sample 39 is outside 0 … 39"):
        config.build()
    data[5, 7, 1] = np.nan
    write_arrays(folder / "ply_data_test0.h5", {"data": data, "label": label})
    with pytest.raises(DataError, match=r"ply_data_test0\.h5: sample 5 holds values that are not finite"):
        config.build()


def test_modelnet_is_read_from_resampled_text(tmp_path: Path) -> None:
    names = []
    for i in range(20):
        name = f"{('night_stand', 'bed')[i % 2]}_{i:04d}"
        path = tmp_path / name.rpartition("_")[0] / f"{name}.txt"
        path.parent.mkdir(exist_ok=True)
        np.savetxt(path, np.random.default_rng(i).uniform(-1, 1, (30, 6)), delimiter=",")
        names.append(name)
    (tmp_path / "modelnet10_train.txt").write_text("\n".join(names[:14]))
    (tmp_path / "modelnet10_test.txt").write_text("\n".join(names[14:]))
    config = DATASETS.config("modelnet10").but(root=str(tmp_path), points=30, view="points", val_fraction=0.2)
    splits = config.build()
    assert splits.test.inputs([0]).shape == (1, 30, 3)
    assert {config.info.classes[i] for i in splits.test.targets(range(6)).tolist()} == {"bed", "night_stand"}
    with pytest.raises(DataError, match=r"bed_0015\.txt: 30 points, but points=31"):
        config.but(points=31).build().test.inputs([1])
    (tmp_path / "modelnet10_test.txt").write_text("boat_0001\n")
    with pytest.raises(DataError, match="'boat_0001' is of none of the classes"):
        config.build()


def test_scanobjectnn_reads_the_variant_that_was_asked_for(tmp_path: Path) -> None:
    config = faked("scanobjectnn", tmp_path, variant="plain", background=False)
    assert (tmp_path / "main_split_nobg" / "training_objectdataset.h5").exists()
    assert len(config.build().test) == 60
    assert len(config.but(val_fraction=0.5).build().val) == 30
    with pytest.raises(DataError, match=r"main_split/training_objectdataset_augmentedrot_scale75\.h5"):
        config.but(variant="hardest", background=True).build()
    path = tmp_path / "main_split_nobg" / "test_objectdataset.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(DataError, match=r"test_objectdataset\.h5: not a readable HDF5 file"):
        config.build()


def test_hdf5_without_an_array_or_h5py_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_arrays(tmp_path / "a.h5", {"data": np.zeros(3)})
    with pytest.raises(DataError, match=r"a\.h5: holds no array label; it has data"):
        read_arrays(tmp_path / "a.h5", "data", "label")
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match=r"spikeformers\[points\]"):
        read_arrays(tmp_path / "a.h5", "data")


def test_s3dis_crops_hold_the_nearest_points_and_floors_stay_apart(tmp_path: Path) -> None:
    config = faked("s3dis", tmp_path, points=20, crops=3)
    splits = config.build()
    areas = [{p.name(i).split("/")[0] for i in range(len(p))} for p in (splits.train, splits.val, splits.test)]
    assert areas == [{"Area_1", "Area_2", "Area_3", "Area_4"}, {"Area_6"}, {"Area_5"}]
    x, y = splits.test.inputs([1])[0], splits.test.targets([1])[0]
    points, classes = read_room(tmp_path / "Stanford3dDataset_v1.2_Aligned_Version" / "Area_5" / "office_1")
    at = int((x[:, :3].norm(dim=1) == 0).nonzero()[0])
    center = points[(points[:, 3:] / 255 == x[at, 3:]).all(1)][0]
    nearest = (points[:, :2] - center[:2]).norm(dim=1).argsort()[:20]
    assert torch.allclose(x[:, :3], points[nearest, :3] - center[:3], atol=1e-5)
    assert torch.equal(y, classes[nearest])
    assert config.but(points=999).build().test.inputs([0]).shape == (1, 999, 6)
    assert not torch.equal(config.but(sample_seed=1).build().test.inputs([1])[0], x)
    assert config.but(val_area="Area_1").build().val.name(0).startswith("Area_1")
    with pytest.raises(ConfigError, match="both 'Area_5'"):
        config.but(val_area="Area_5")


def test_damaged_rooms_are_refused_with_file_and_line(tmp_path: Path) -> None:
    config = faked("s3dis", tmp_path)
    room = tmp_path / "Stanford3dDataset_v1.2_Aligned_Version" / "Area_5" / "office_1"
    path = room / "Annotations" / "floor_1.txt"
    lines = path.read_text().splitlines()
    for broken in ("1 2 3 4 5\x106 7", "1 2 3", "x 2 3 4 5 6"):
        path.write_text("\n".join([*lines[:4], broken, *lines[5:]]))
        with pytest.raises(DataError, match=r"floor_1\.txt line 5: "):
            read_room(room)
    path.write_text("\n".join([*lines, "nan 1 1 1 1 1"]))
    with pytest.raises(DataError, match=r"floor_1\.txt: point 50 is not finite"):
        read_room(room)
    path.write_text("")
    with pytest.raises(DataError, match=r"floor_1\.txt: an empty cloud"):
        config.build().test.inputs([0])
    path.rename(path.with_name("lake_1.txt"))
    with pytest.raises(DataError, match="'lake' is none of the classes"):
        read_room(room)


def test_drives_stay_apart_and_codes_become_classes(tmp_path: Path) -> None:
    config = faked("semantic_kitti", tmp_path, n=33, points=100)
    splits = config.build()
    drives = [{p.name(i).split("/")[0] for i in range(len(p))} for p in (splits.train, splits.val, splits.test)]
    assert drives == [{f"{i:02d}" for i in range(11)} - {"07", "08"}, {"07"}, {"08"}]
    x, y = splits.test.inputs([0])[0], splits.test.targets([0])[0]
    scan = read_scan(tmp_path / "sequences/08/velodyne/000000.bin")
    classes = read_classes(tmp_path / "sequences/08/labels/000000.label")
    for point, kind in zip(x, y, strict=True):
        assert classes[(scan == point).all(1)].tolist() == [int(kind)]
    assert not torch.equal(config.but(sample_seed=1).build().test.inputs([0])[0], x)
    path = tmp_path / "codes.label"
    np.array([0x0005_00FC, 40, 60, 52], "<u4").tofile(path)  # a moving car, road, lane marking, other structure
    assert [CLASSES[i] for i in read_classes(path).tolist()] == ["car", "road", "road", "unlabeled"]


def test_damaged_scans_are_refused_with_the_place(tmp_path: Path) -> None:
    config = faked("semantic_kitti", tmp_path, n=11)
    scan, label = (tmp_path / "sequences/08" / name for name in ("velodyne/000000.bin", "labels/000000.label"))
    np.array([7], "<u4").tofile(label)
    with pytest.raises(DataError, match=r"000000\.label: point 0 has the class 7"):
        config.build().test.inputs([0])
    np.array([40], "<u4").tofile(label)
    with pytest.raises(DataError, match=r"000000\.bin: 80 points, but its labels are 1"):
        config.build().test.inputs([0])
    scan.write_bytes(scan.read_bytes()[:-3])
    with pytest.raises(DataError, match=r"000000\.bin: cut off at its byte 1277"):
        config.build().test.inputs([0])
    scan.write_bytes(b"")
    with pytest.raises(DataError, match=r"000000\.bin: an empty cloud"):
        config.build().test.inputs([0])
    shutil.rmtree(tmp_path / "sequences/07")
    with pytest.raises(DataError, match="no scans in 07"):
        config.build()


@pytest.mark.parametrize("ending", ["las", "laz"])
def test_tiles_are_cut_into_blocks(ending: str, tmp_path: Path) -> None:
    pytest.importorskip("laspy", reason="needs the extra spikeformers[points]")
    pytest.importorskip("lazrs", reason="needs the extra spikeformers[points]")
    from spikeformers.data.formats.las import Scan, read_las, write_las

    rng = np.random.default_rng(0)
    places = rng.uniform(0, 40, (4000, 3)) + 1000
    scan = Scan(places, rng.integers(0, 65536, 4000), rng.integers(0, 19, 4000))
    write_las(tmp_path / f"a.{ending}", scan)
    again = read_las(tmp_path / f"a.{ending}")
    assert np.abs(again.places - places).max() < 1e-3
    assert np.array_equal(again.classes, scan.classes)
    assert np.array_equal(again.intensity, scan.intensity)
    config = DATASETS.config("lidar").but(root=str(tmp_path), block=10.0, points=64)
    splits = config.build()
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [11, 2, 3]
    x = splits.train.inputs(range(11))
    assert x.shape == (11, 64, 4)
    assert x[..., :2].abs().max() <= 5 + 1e-3
    assert 0 <= x[..., 3].min() < x[..., 3].max() <= 1
    with pytest.raises(ConfigError, match="the tiles have 0 blocks"):
        config.but(least=5000).build()
    path = tmp_path / f"a.{ending}"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=rf"a\.{ending}: not a readable LAS or LAZ file"):
        config.build()
    path.write_bytes(b"LASF" + bytes(400))
    with pytest.raises(DataError, match=rf"a\.{ending}: "):
        config.build()


def test_tiles_without_laspy_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.las").write_bytes(b"LASF")
    monkeypatch.setitem(__import__("sys").modules, "laspy", None)
    with pytest.raises(DataError, match=r"spikeformers\[points\]"):
        DATASETS.config("lidar").but(root=str(tmp_path)).build()

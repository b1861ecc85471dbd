from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.io import savemat

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.formats.pictures import write_picture

pytest.importorskip("PIL", reason="needs the extra spikeformers[vision]")

NAMES = ("n01440764", "n01443537", "n01484850")


def picture(path: Path, value: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, np.full((8, 8, 3), value, np.uint8))


def test_tiny_imagenet_takes_the_classes_of_its_test_from_the_annotations(tmp_path: Path) -> None:
    config = DATASETS.config("tiny_imagenet").but(root=str(tmp_path), size=8)
    assert config.info.classes == ()
    config.fake(30, tmp_path)
    folder = tmp_path / "tiny-imagenet-200"
    lines = (folder / "val" / "val_annotations.txt").read_text().splitlines()
    (folder / "val" / "val_annotations.txt").write_text("\n".join(reversed(lines)))
    splits = config.build()
    assert config.info.classes == ("n01443537", "n01629819", "n01641577")
    assert (len(splits.train), len(splits.val), len(splits.test)) == (27, 3, 30)
    assert splits.test.name(0).endswith("val_29.JPEG")
    assert splits.test.targets([0]).tolist() == [2]
    assert splits.test.inputs([0]).shape == (1, 3, 8, 8)
    assert len(config.but(val_fraction=0.5).build().val) == 15
    (folder / "val" / "val_annotations.txt").write_text("val_0.JPEG\tn99\t0\t0\t1\t1\n")
    with pytest.raises(DataError, match=r"val_annotations\.txt line 1: 'val_0"):
        config.build()
    (folder / "val" / "val_annotations.txt").write_text("val_99.JPEG\tn01443537\t0\t0\t1\t1\n")
    with pytest.raises(DataError, match=r"val_99\.JPEG: not a readable picture"):
        config.build().test.inputs([0])


def imagenet(root: Path) -> None:
    """A training part in folders; a validation part of six pictures whose brightness is 40 × their number, all together."""
    for k, name in enumerate(NAMES):
        for i in range(10):
            picture(root / "train" / name / f"{name}_{i}.JPEG", 10 * k)
    for i in range(1, 7):
        picture(root / "val" / f"ILSVRC2012_val_{i:08d}.JPEG", 40 * i)


def test_imagenet_reads_the_truth_of_the_development_kit(tmp_path: Path) -> None:
    imagenet(tmp_path / "ILSVRC2012")
    kit = tmp_path / "ILSVRC2012_devkit_t12" / "data"
    kit.mkdir(parents=True)
    kinds = np.dtype([("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O")])
    synsets = np.array([(1, NAMES[2], "shark"), (2, NAMES[0], "tench"), (3, NAMES[1], "goldfish")], kinds)
    savemat(kit / "meta.mat", {"synsets": synsets[:, None]})
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n1\n2\n3\n2\n1\n")
    config = DATASETS.config("imagenet").but(root=str(tmp_path), size=8, val_fraction=0.2)
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (24, 6, 6)
    assert splits.test.targets(range(6)).tolist() == [2, 2, 0, 1, 0, 2]
    assert (splits.test.inputs([2]) * 255).mean() == pytest.approx(120, abs=3)
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n4\n")
    with pytest.raises(DataError, match=r"line 2: class 4 is not in meta\.mat"):
        config.build()
    (kit / "ILSVRC2012_validation_ground_truth.txt").write_text("1\n")
    with pytest.raises(DataError, match=r"val_00000002\.JPEG: its class is stated nowhere"):
        config.build()
    (kit / "meta.mat").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"meta\.mat or .* cannot be read"):
        config.build()


def test_imagenet_reads_the_truth_of_kaggle_and_folders(tmp_path: Path) -> None:
    inner = tmp_path / "ILSVRC" / "Data" / "CLS-LOC"
    imagenet(inner)
    config = DATASETS.config("imagenet").but(root=str(tmp_path), size=8, val_fraction=0.2)
    with pytest.raises(DataError, match="the classes of the pictures in val are in no file"):
        config.build()
    rows = [f"ILSVRC2012_val_{i:08d},{NAMES[i % 3]} 1 2 3 4 {NAMES[i % 3]} 5 6 7 8 " for i in range(6, 0, -1)]
    (tmp_path / "LOC_val_solution.csv").write_text("\n".join(["ImageId,PredictionString", *rows]))
    assert config.build().test.targets(range(6)).tolist() == [1, 2, 0, 1, 2, 0]
    (tmp_path / "LOC_val_solution.csv").write_text("ImageId,PredictionString\nILSVRC2012_val_00000001,\n")
    with pytest.raises(DataError, match=r"LOC_val_solution\.csv line 2"):
        config.build()
    for i, path in enumerate(sorted((inner / "val").glob("*.JPEG"))):
        (inner / "val" / NAMES[i % 3]).mkdir(exist_ok=True)
        path.rename(inner / "val" / NAMES[i % 3] / path.name)
    assert config.build().test.targets(range(6)).tolist() == [0, 0, 1, 1, 2, 2]


def test_caltech_leaves_the_background_out(tmp_path: Path) -> None:
    config = DATASETS.config("caltech101").but(root=str(tmp_path), size=8)
    config.fake(80, tmp_path)
    splits = config.build()
    assert config.info.classes == ("Faces", "accordion", "yin_yang")
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [42, 6, 12]
    assert splits.test.targets(range(12)).bincount().tolist() == [4, 4, 4]
    other = config.but(split_seed=1).build().test
    assert [other.name(i) for i in range(12)] != [splits.test.name(i) for i in range(12)]
    with pytest.raises(ConfigError, match=r"test_fraction=0\.95"):
        config.but(test_fraction=0.95)


def test_parquet_files_of_the_hub_are_read_like_a_saved_dataset(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra spikeformers[hf]")
    config = DATASETS.config("hf_images").but(size=8)
    config.fake(30, tmp_path / "saved")
    saved = datasets.load_from_disk(str(tmp_path / "saved"))
    (tmp_path / "hub" / "data").mkdir(parents=True)
    saved["train"].to_parquet(tmp_path / "hub" / "data" / "train-00000-of-00001.parquet")
    saved["test"].rename_columns({"image": "img"}).to_parquet(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet")
    with pytest.raises(DataError, match="hub cannot be opened as a Hugging Face dataset"):  # the parts disagree
        config.but(root=str(tmp_path / "hub")).build()
    saved["test"].to_parquet(tmp_path / "hub" / "data" / "test-00000-of-00001.parquet")
    one, two = (config.but(root=str(tmp_path / name)) for name in ("saved", "hub"))
    assert one.info.classes == two.info.classes == ("cat", "dog", "owl")
    first, second = one.build(), two.build()
    assert (len(first.train), len(first.val), len(first.test)) == (27, 3, 30)
    assert torch.equal(first.test.inputs([4, 2]), second.test.inputs([4, 2]))
    assert torch.equal(first.test.targets([4, 2]), second.test.targets([4, 2]))
    with pytest.raises(ConfigError, match="has no column 'picture'; valid: image, label"):
        one.but(image="picture").build()
    with pytest.raises(ConfigError, match="has no part 'validation'; valid: test, train"):
        one.but(test="validation").build()
    with pytest.raises(ConfigError, match=r"'image' holds .* which are no class labels"):
        one.but(label="image").build()
    assert one.but(channels=1, mean=(0.5,), std=(0.5,)).build().test.inputs([0]).shape == (1, 1, 8, 8)
    with pytest.raises(ConfigError, match="mirrors"):
        one.but(mirrored=False, augment="crop_flip")


def test_broken_pictures_in_a_dataset_name_their_place(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra spikeformers[hf]")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    columns = {"image": [{"bytes": b"none", "path": None}, None] * 8, "label": [0, 1] * 8}
    part = datasets.Dataset.from_dict(columns, features=features)
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(str(tmp_path / "a"))
    splits = DATASETS.config("hf_images").but(root=str(tmp_path / "a")).build()
    with pytest.raises(DataError, match="test#0: not a readable picture"):
        splits.test.inputs([0])
    with pytest.raises(DataError, match="test#1: no picture"):
        splits.test.inputs([1])
    (tmp_path / "a" / "train" / "state.json").write_text("{")
    with pytest.raises(DataError, match="cannot be opened as a Hugging Face dataset"):
        DATASETS.config("hf_images").but(root=str(tmp_path / "a")).build()


def test_a_dataset_of_the_hub_is_saved_once_and_read_from_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets", reason="needs the extra spikeformers[hf]")
    monkeypatch.setenv("SPIKEFORMERS_DATA", str(tmp_path / "data"))
    DATASETS.config("hf_images").fake(30, tmp_path / "saved")
    asked: list[tuple[str, str | None]] = []

    def hub(name: str, subset: str | None) -> object:
        if asked:
            raise ConnectionError("the Hub is away")
        asked.append((name, subset))
        return datasets.load_from_disk(str(tmp_path / "saved"))

    monkeypatch.setattr(datasets, "load_dataset", hub)
    config = DATASETS.config("hf_images").but(repository="somebody/something", subset="small", size=8)
    with pytest.raises(DataError, match=r"somebody--something--small(.|\n)*download\(\)"):
        config.build()
    folder = config.download()
    assert config.download() == folder
    assert asked == [("somebody/something", "small")]
    assert config.info.classes == ("cat", "dog", "owl")
    assert len(config.build().test) == 30
    with pytest.raises(DataError, match="somebody/other cannot be fetched from the Hub: the Hub is away"):
        config.but(repository="somebody/other").download()
    with pytest.raises(DataError, match="set repository"):
        config.but(repository=None).download()


def test_datasets_without_their_package_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "datasets", None)
    with pytest.raises(DataError, match=r"spikeformers\[hf\]"):
        DATASETS.config("hf_images").but(repository="somebody/something").download()
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(DataError, match=r"spikeformers\[hf\]"):
        DATASETS.config("hf_images").but(root=str(tmp_path)).build()
    with pytest.raises(DataError, match=r"root="):
        DATASETS.config("hf_images").build()

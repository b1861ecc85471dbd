import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.formats.pictures import read_picture

pytest.importorskip("PIL", reason="needs the extra spikeformers[vision]")


def picture(path: Path, value: int = 200, height: int = 4, width: int = 8) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(f"P6\n{width} {height}\n255\n".encode() + np.full((height, width, 3), value, np.uint8).tobytes())


def test_official_parts_are_kept_and_validation_is_carved_where_there_is_none(tmp_path: Path) -> None:
    for part, count in (("train", 20), ("test", 6)):
        for i in range(count):
            picture(tmp_path / part / ("cat", "dog")[i % 2] / f"{i}.ppm")
    config = DATASETS.config("image_folder").but(root=str(tmp_path), size=8)
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (18, 2, 6)
    assert config.info.classes == ("cat", "dog")
    for i in range(4):
        picture(tmp_path / "val" / ("cat", "dog")[i % 2] / f"{i}.ppm")
    splits = config.build()
    assert (len(splits.train), len(splits.val), len(splits.test)) == (20, 4, 6)
    picture(tmp_path / "test" / "horse" / "1.ppm")
    with pytest.raises(DataError, match="horse"):
        config.build()
    shutil.rmtree(tmp_path / "test")
    with pytest.raises(DataError, match="none called test"):
        config.build()


def test_pictures_are_scaled_and_cut_to_their_middle_square(tmp_path: Path) -> None:
    pixels = np.zeros((4, 8, 3), np.uint8)
    pixels[:, 2:6, 1] = 255  # the middle square is green
    (tmp_path / "a.ppm").write_bytes(b"P6\n8 4\n255\n" + pixels.tobytes())
    found = read_picture(tmp_path / "a.ppm", 3, 4)
    assert found.tolist() == [[[0] * 4] * 4, [[255] * 4] * 4, [[0] * 4] * 4]
    assert read_picture(tmp_path / "a.ppm", 1, 5).shape == (1, 5, 5)


def test_an_unreadable_picture_names_its_file(tmp_path: Path) -> None:
    picture(tmp_path / "a.ppm")
    (tmp_path / "a.ppm").write_bytes((tmp_path / "a.ppm").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"a\.ppm: not a readable picture"):
        read_picture(tmp_path / "a.ppm", 3, 4)


def test_pictures_without_pillow_name_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "PIL", None)
    with pytest.raises(DataError, match=r"spikeformers\[vision\]"):
        read_picture(tmp_path / "a.ppm", 3, 4)


def test_every_field_changes_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("image_folder")
    config.fake(60, tmp_path)
    config = config.but(root=str(tmp_path), size=6)
    base = config.build()
    assert config.but(channels=1, mean=(0.5,), std=(0.5,)).build().train.inputs([0]).shape == (1, 1, 6, 6)
    assert len(config.but(test_fraction=0.3).build().test) > len(base.test)
    assert len(config.but(val_fraction=0.3).build().val) > len(base.val)
    names = [[s.test.name(i) for i in range(len(s.test))] for s in (base, config.but(split_seed=1).build())]
    assert names[0] != names[1]
    assert config.but(std=(1.0, 1.0, 1.0)).info.std == (1.0, 1.0, 1.0)
    with pytest.raises(ConfigError, match="mirrors"):
        config.but(mirrored=False, augment="crop_flip")
    assert torch.equal(base.train.inputs([0]), config.but(augment="crop_flip").build().train.inputs([0]))
    with pytest.raises(ConfigError, match="one number for each of the 1 channels"):
        config.but(channels=1)

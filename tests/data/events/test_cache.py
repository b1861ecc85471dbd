import os
import shutil
from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import DataError
from spikeformers.data import DATASETS, DataConfig
from spikeformers.data.events.cache import cache_key, load_cached, store_cached


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataConfig:
    monkeypatch.setenv("SPIKEFORMERS_DATA", str(tmp_path / "data"))
    found = DATASETS.config("n_mnist")
    found.fake(40, tmp_path / "files")
    return found.but(root=str(tmp_path / "files"), cache=True)


def kept(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "data" / "cache" / "n_mnist").glob("*.npy"))


@pytest.mark.parametrize("name", ["frames", "voxel_grid", "time_surface"])
def test_a_kept_tensor_equals_the_one_made(config: DataConfig, tmp_path: Path, name: str) -> None:
    config = config.but(representation=name)
    made = config.but(cache=False).build().train.inputs([0, 1])
    assert not kept(tmp_path)
    first = config.build().train.inputs([0, 1])
    files = kept(tmp_path)
    again = config.build().train.inputs([0, 1])
    assert len(files) == 2
    assert kept(tmp_path) == files
    assert torch.equal(first, made)
    assert torch.equal(again, made)


def test_changed_settings_and_changed_files_are_made_anew(config: DataConfig, tmp_path: Path) -> None:
    config.build().train.inputs([0])
    config.but(size=20).build().train.inputs([0])
    config.but(representation="voxel_grid").build().train.inputs([0])
    assert len(kept(tmp_path)) == 3
    one = config.build().train
    path = tmp_path / "files" / one.name(0)
    data = bytearray(path.read_bytes())
    data[4] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))
    one.inputs([0])
    assert len(kept(tmp_path)) == 4


def test_the_same_content_is_found_wherever_it_lies(config: DataConfig, tmp_path: Path) -> None:
    first = config.build().train
    x = first.inputs([0, 1])
    shutil.copytree(tmp_path / "files", tmp_path / "moved")
    os.utime(tmp_path / "files" / first.name(0), ns=(1, 1))
    files = kept(tmp_path)
    assert torch.equal(config.but(root=str(tmp_path / "moved")).build().train.inputs([0, 1]), x)
    assert torch.equal(first.inputs([0, 1]), x)
    assert kept(tmp_path) == files
    key = cache_key(tmp_path / "notes", tmp_path / "moved" / "Train" / "0" / "00001.bin", 1)
    assert key != cache_key(tmp_path / "notes", tmp_path / "moved" / "Train" / "0" / "00001.bin", 2)


def test_counts_are_kept_as_bytes_and_large_ones_whole(tmp_path: Path) -> None:
    for key, tensor in (
        ("a", torch.tensor([0.0, 255.0])),
        ("b", torch.tensor([0.0, 256.0])),
        ("c", torch.tensor([0.5, -1.0])),
    ):
        store_cached(tmp_path, key, tensor)
        found = load_cached(tmp_path, key)
        assert found is not None
        assert torch.equal(found, tensor)
    assert (tmp_path / "a.npy").stat().st_size < (tmp_path / "b.npy").stat().st_size
    assert load_cached(tmp_path, "nothing") is None


def test_a_damaged_or_unwritable_cache_says_so(tmp_path: Path) -> None:
    store_cached(tmp_path, "a", torch.ones(100))
    (tmp_path / "a.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-9])
    with pytest.raises(DataError, match="remove it and it is made again"):
        load_cached(tmp_path, "a")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        store_cached(tmp_path / "file", "a", torch.ones(1))

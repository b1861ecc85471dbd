"""Checkpoints appear whole or not at all; what is broken, foreign or hostile is refused with one clear error."""

import errno
import os
import pickle
import resource
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from spikeformers.core.errors import CheckpointError
from spikeformers.engine import checkpoint, files
from spikeformers.engine.files import StorageError, write_json, write_text

STATE: dict[str, Any] = {
    "config": {"name": "x"},
    "model": {"weight": torch.arange(3000.0)},
    "encoder": {},
    "average": None,
    "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}},
    "progress": {"epoch": 1, "rows": [{"loss": 0.5}], "best": (0.5, 1.0)},
}


@contextmanager
def no_file_above(size: int) -> Iterator[None]:
    """A real limit of the system: writes beyond it fail as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    path = tmp_path / "a" / "last.ckpt"
    checkpoint.save(path, STATE)
    loaded = checkpoint.load(path)
    assert torch.equal(loaded["model"]["weight"], STATE["model"]["weight"])
    assert loaded["progress"] == STATE["progress"]
    assert [p.name for p in path.parent.iterdir()] == ["last.ckpt"]


def test_a_failing_write_keeps_the_former_checkpoint_and_leaves_no_trace(tmp_path: Path) -> None:
    path = tmp_path / "last.ckpt"
    checkpoint.save(path, STATE)
    before = path.read_bytes()
    with no_file_above(4096), pytest.raises(StorageError, match=r"cannot write .*last\.ckpt.*former file is intact"):
        checkpoint.save(path, {**STATE, "model": {"weight": torch.zeros(100_000)}})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("where", ["fsync", "replace"])
def test_a_full_disk_is_reported_wherever_it_shows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "best.safetensors"
    checkpoint.save_weights(path, STATE["model"], {"epoch": 1})
    monkeypatch.setattr(files.os, where, full)
    with pytest.raises(StorageError, match="No space left on device"):
        checkpoint.save_weights(path, {"weight": torch.zeros(2)}, {"epoch": 2})
    monkeypatch.undo()
    assert checkpoint.load_weights(path)[1] == {"epoch": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["best.safetensors"]


def test_equal_weights_are_equal_files(tmp_path: Path) -> None:
    for name in "ab":
        checkpoint.save_weights(tmp_path / name, STATE["model"], {"epoch": 1, "step": 2, "loss": 0.5})
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize("kind", ["last.ckpt", "best.safetensors"])
def test_truncated_files_are_refused_wherever_they_are_cut(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    checkpoint.save(path, STATE) if kind == "last.ckpt" else checkpoint.save_weights(path, STATE["model"], {})
    whole = path.read_bytes()
    for size in [0, 1, 8, 100, *range(200, len(whole), 997), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=kind):
            checkpoint.load(path) if kind == "last.ckpt" else checkpoint.load_weights(path)


@pytest.mark.parametrize("kind", ["last.ckpt", "best.safetensors"])
def test_altered_bytes_never_end_in_anything_but_a_checkpoint_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / kind
    checkpoint.save(path, STATE) if kind == "last.ckpt" else checkpoint.save_weights(path, STATE["model"], {"epoch": 1})
    whole = bytearray(path.read_bytes())
    generator = torch.Generator().manual_seed(0)
    for at in torch.randint(len(whole), (150,), generator=generator).tolist():
        altered = bytearray(whole)
        altered[at] ^= 1 << (at % 8)
        path.write_bytes(bytes(altered))
        try:
            checkpoint.load(path) if kind == "last.ckpt" else checkpoint.load_weights(path)
        except CheckpointError:
            continue


class Hostile:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hacked",)


def test_hostile_and_foreign_files_are_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.ckpt"

    def zipped() -> None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("hello", "world")

    def hostile() -> None:
        torch.save({**STATE, "format": checkpoint.FORMAT, "version": 1, "model": Hostile()}, path)

    makers = [
        hostile,
        zipped,
        lambda: path.write_bytes(pickle.dumps(Hostile(), protocol=2)),
        lambda: path.write_text("hello"),
        lambda: torch.save({"state_dict": {}}, path),
        lambda: torch.save(torch.zeros(3), path),
        lambda: torch.save({**STATE, "format": checkpoint.FORMAT, "version": 99}, path),
        lambda: torch.save({"format": checkpoint.FORMAT, "version": 1}, path),
        path.unlink,
    ]
    for make in makers:
        make()
        with pytest.raises(CheckpointError, match=r"last\.ckpt"):
            checkpoint.load(path)
    assert not (tmp_path / "hacked").exists()


def test_foreign_safetensors_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="not written by a run of ours"):
        checkpoint.load_weights(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match="there is no weights file"):
        checkpoint.load_weights(tmp_path / "y.safetensors")


def test_numbers_that_json_lacks_become_null(tmp_path: Path) -> None:
    write_json(tmp_path / "a.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert (tmp_path / "a.json").read_text().split() == ["{", '"a":', "null,", '"b":', "[", "null,", "1.5", "]", "}"]


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        write_text(tmp_path / "file" / "config.yaml", "x")

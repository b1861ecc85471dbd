"""Checkpoint files: unwrapped whatever is around the weights, refused whatever is not weights."""

import os
import pickle
from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from spikeformers import create_model, load_weights
from spikeformers.core.errors import CheckpointError
from spikeformers.models.hub import export_official
from spikeformers.weights.io import read_state_dict

WEIGHTS = {"a.weight": torch.ones(2), "b.bias": torch.zeros(3)}


@pytest.mark.parametrize(
    "wrapped",
    [
        WEIGHTS,
        {"state_dict": WEIGHTS, "epoch": 3},
        {"model": WEIGHTS},
        {"state_dict": {f"module.{k}": v for k, v in WEIGHTS.items()}},
        {"model": {"state_dict": {f"module._orig_mod.{k}": v for k, v in WEIGHTS.items()}}},
    ],
)
def test_wrappers_are_taken_off(tmp_path: Path, wrapped: dict[str, object]) -> None:
    torch.save(wrapped, tmp_path / "w.pth")
    assert set(read_state_dict(tmp_path / "w.pth")) == set(WEIGHTS)


def test_what_training_scripts_leave_beside_the_weights_does_no_harm(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 2)
    beside = {
        "args": Namespace(lr=1e-3, output_dir=Path("runs"), nested=Namespace(epochs=3)),
        "metric": np.float64(81.2),
        "step": np.int64(7),
        "optimizer": torch.optim.AdamW(model.parameters()).state_dict(),
        "epoch": 3,
    }
    torch.save({"model": WEIGHTS, **beside}, tmp_path / "w.pth")
    assert set(read_state_dict(tmp_path / "w.pth")) == set(WEIGHTS)


class Hostile:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch hostile-was-here",)


def test_a_pickle_with_code_in_it_is_not_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"state_dict": WEIGHTS, "extra": Hostile()}, "hostile.pth")
    with pytest.raises(CheckpointError, match=r"hostile\.pth holds more than tensors.*it calls for (posix|nt)\.system"):
        read_state_dict("hostile.pth")
    assert not Path("hostile-was-here").exists()


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    torch.save(WEIGHTS, tmp_path / "w.pth")
    save_file(WEIGHTS, tmp_path / "w.safetensors")
    for name in ("w.pth", "w.safetensors"):
        whole = (tmp_path / name).read_bytes()
        for size in (0, 7, len(whole) // 2, len(whole) - 1):
            (tmp_path / name).write_bytes(whole[:size])
            with pytest.raises(CheckpointError, match=name):
                read_state_dict(tmp_path / name)


@pytest.mark.parametrize("content", [b"not a checkpoint", pickle.dumps([1, 2]), pickle.dumps({"a": 1})])
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "foreign.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"foreign\.pt"):
        read_state_dict(tmp_path / "foreign.pt")
    with pytest.raises(CheckpointError, match="there is no file"):
        read_state_dict(tmp_path / "absent.pt")


def test_our_own_and_official_files_load_and_a_wrong_size_is_refused(tmp_path: Path) -> None:
    model = create_model("spikformer_tiny")
    torch.save({"state_dict": {f"module.{k}": v for k, v in export_official(model).items()}}, tmp_path / "official.pth")
    save_file(model.state_dict(), tmp_path / "ours.safetensors")
    for name in ("official.pth", "ours.safetensors"):
        fresh = load_weights(create_model("spikformer_tiny"), tmp_path / name)
        assert all(
            torch.equal(a, b) for a, b in zip(fresh.state_dict().values(), model.state_dict().values(), strict=True)
        )
        with pytest.raises(CheckpointError, match=r"num_classes=7: head\.\w+ has shape \(10.*reset_head=True"):
            load_weights(create_model("spikformer_tiny", num_classes=7), tmp_path / name)

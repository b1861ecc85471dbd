"""Ways to train in less memory, from the config to the result."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.engine.checkpoint import load_weights
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.run import train
from spikeformers.kernels.pack.scope import Keeper


def trained(config: RunConfig, folder: Path, **changes: Any) -> dict[str, float]:
    """Results of one epoch with a changed `train`."""
    train(config.but(train=config.train.but(epochs=1, **changes)), folder)
    results: dict[str, float] = json.loads((folder / "results.json").read_text())
    return {name: value for name, value in results.items() if name.startswith(("test/", "val/"))}


def weights(folder: Path) -> torch.Tensor:
    """All weights of a run in one vector."""
    tensors = load_weights(folder / "checkpoint/best.safetensors")[0]
    return torch.cat([tensors[name].flatten().double() for name in sorted(tensors)])


@pytest.mark.usefixtures("cheap_energy")
def test_packed_spikes_train_the_same_model_bit_by_bit(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = []
    keep = Keeper.keep
    monkeypatch.setattr(Keeper, "keep", lambda self, x: kept.append(x.shape) or keep(self, x))
    plain = trained(tiny, tmp_path / "plain")
    assert not kept
    assert trained(tiny, tmp_path / "packed", pack_spikes=True) == plain
    assert kept
    assert torch.equal(weights(tmp_path / "plain"), weights(tmp_path / "packed"))


@pytest.mark.usefixtures("cheap_energy")
def test_one_chunk_of_all_steps_trains_the_same_model_and_cut_steps_another(tiny: RunConfig, tmp_path: Path) -> None:
    ways: dict[str, dict[str, Any]] = {
        "plain": {},
        "whole": {"chunk_steps": tiny.model.timesteps},
        "sltt": {"chunk_steps": 1, "cut_chunks": True},
    }
    for name, changes in ways.items():
        trained(tiny, tmp_path / name, **changes)
    plain, whole, sltt = (weights(tmp_path / name) for name in ways)
    assert (whole - plain).norm() < 1e-3 * (sltt - plain).norm()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chunk_steps": 0}, "chunk_steps=0 must be at least 1"),
        ({"cut_chunks": True}, "cut_chunks=True needs chunks"),
        ({"chunk_steps": 2, "pack_spikes": True}, "pack_spikes=True has no effect"),
        ({"chunk_steps": 2, "checkpoint_blocks": True}, "checkpoint_blocks=True has no effect"),
    ],
)
def test_combinations_without_sense_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TrainConfig(**changes)

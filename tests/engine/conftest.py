"""A run small enough to be repeated many times, and one finished run of it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import spikeformers.energy
from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.data.transforms.image import Affine
from spikeformers.encoders.poisson import PoissonConfig
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.run import train
from spikeformers.models.vision.spikformer import SpikformerConfig

MODEL = SpikformerConfig(
    img_size=8, in_channels=1, num_classes=10, dim=16, depth=1, heads=2, pools="0011", timesteps=2, mlp_ratio=1.0
)
TINY = RunConfig(
    name="tiny",
    model=MODEL,
    encoder=PoissonConfig(),
    data=DigitsConfig(limit=40, eval_limit=20, augment=Affine()),
    train=TrainConfig(
        epochs=2,
        batch_size=8,
        accumulate=2,
        eval_batch_size=16,
        ema_decay=0.9,
        clip_norm=1.0,
        accelerator="cpu",
        checkpoint_steps=1,
    ),
    seed=3,
)
"""5 batches and 3 optimizer steps an epoch; every source of randomness and of state is in use."""


@pytest.fixture(scope="session")
def tiny() -> RunConfig:
    return TINY


class Prices:
    """Stands for an energy assessment, which takes longer than these trainings."""

    def to_dict(self) -> dict[str, Any]:
        return {"snn_mj": 1.0, "ann_mj": 2.0, "synops": 3.0, "flags": []}


@pytest.fixture(scope="module")
def cheap_energy() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spikeformers.energy, "assess", lambda model, twin, batches: Prices())
        yield


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory, cheap_energy: None) -> Path:
    """The folder of a run of `TINY` that nothing interrupted."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("finished") / "run"
    train(TINY, folder)
    return folder


@pytest.fixture(scope="session")
def assert_same_run() -> Callable[[Path, Path], None]:
    """Fails unless two run folders hold the same weights, optimizer, average, rows and results, bit by bit."""

    def same(one: Path, other: Path) -> None:
        from spikeformers.engine import checkpoint

        for name in ("metrics.jsonl", "analysis.json", "checkpoint/best.safetensors"):
            assert (one / name).read_bytes() == (other / name).read_bytes(), name
        states = [checkpoint.load(folder / "checkpoint/last.ckpt") for folder in (one, other)]
        for state in states:
            state["progress"].pop("seconds")
        assert_same(states[0], states[1], "last.ckpt")
        results = [json.loads((folder / "results.json").read_text()) for folder in (one, other)]
        for result in results:
            for timed in ("seconds", "steps_per_second", "peak_memory_mib"):
                result.pop(timed)
        assert results[0] == results[1]

    return same


def assert_same(one: Any, other: Any, where: str) -> None:
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for i, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_same(a, b, f"{where}[{i}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where

"""Exact resume: whatever interrupts a run, its end is bit by bit the same."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from spikeformers.core.errors import ConfigError
from spikeformers.engine import checkpoint, files
from spikeformers.engine.config import RunConfig
from spikeformers.engine.run import train
from spikeformers.engine.stop import Interrupted

pytestmark = pytest.mark.usefixtures("cheap_energy")

Same = Callable[[Path, Path], None]


class Killed(BaseException):
    """Stands for SIGKILL: nobody catches it, nothing is saved because of it."""


def killing(wanted: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], None]:
    def on_event(event: dict[str, Any]) -> None:
        if wanted(event):
            raise Killed

    return on_event


@pytest.mark.parametrize(("step", "batch"), [(1, "mid-epoch"), (3, "epoch boundary"), (4, "mid-epoch, second epoch")])
def test_killed_at_a_step_and_resumed_ends_the_same(
    tiny: RunConfig, finished: Path, tmp_path: Path, assert_same_run: Same, step: int, batch: str
) -> None:
    with pytest.raises(Killed):
        train(tiny, tmp_path, on_event=killing(lambda e: e["kind"] == "step" and e["step"] == step + 1))
    train(tiny, tmp_path, resume=True)
    assert_same_run(tmp_path, finished)


@pytest.mark.parametrize("phase", ["train", "test", "energy"])
def test_killed_between_phases_and_resumed_ends_the_same(
    tiny: RunConfig, finished: Path, tmp_path: Path, assert_same_run: Same, phase: str
) -> None:
    with pytest.raises(Killed):
        train(tiny, tmp_path, on_event=killing(lambda e: e.get("phase") == phase))
    train(tiny, tmp_path, resume=True)
    assert_same_run(tmp_path, finished)


@pytest.mark.parametrize("victim", ["best.safetensors", "last.ckpt", "metrics.jsonl"])
@pytest.mark.parametrize("after", [False, True], ids=["before its rename", "after its rename"])
def test_killed_around_any_file_and_resumed_ends_the_same(
    tiny: RunConfig,
    finished: Path,
    tmp_path: Path,
    assert_same_run: Same,
    monkeypatch: pytest.MonkeyPatch,
    victim: str,
    after: bool,
) -> None:
    real, seen = os.replace, []

    def replace(source: Path, target: Path) -> None:
        seen.append(target.name)
        # The second writing of files that are written often: there is a former one by then.
        due = target.name == victim and seen.count(victim) == (2 if victim in ("last.ckpt", "metrics.jsonl") else 1)
        if due and not after:
            raise Killed
        real(source, target)
        if due:
            raise Killed

    monkeypatch.setattr(files.os, "replace", replace)
    with pytest.raises(Killed):
        train(tiny, tmp_path)
    monkeypatch.undo()
    train(tiny, tmp_path, resume=True)
    assert_same_run(tmp_path, finished)


def test_interrupted_twice_and_resumed_ends_the_same(
    tiny: RunConfig, finished: Path, tmp_path: Path, assert_same_run: Same
) -> None:
    for step in (2, 5):
        with pytest.raises(Killed):
            train(tiny, tmp_path, resume=True, on_event=killing(lambda e, s=step: e.get("step") == s))  # type: ignore[misc]
    train(tiny, tmp_path, resume=True)
    assert_same_run(tmp_path, finished)


VICTIM = """
import sys
from pathlib import Path
import torch
from spikeformers.engine.config import RunConfig
from spikeformers.engine.run import train

torch.set_num_threads(1)
tell = lambda event: print(event["step"], flush=True) if event["kind"] == "step" else None
train(RunConfig.from_yaml(sys.argv[1]), Path(sys.argv[2]), resume=True, on_event=tell)
"""


def test_a_process_killed_for_real_and_resumed_ends_the_same(
    tiny: RunConfig, finished: Path, tmp_path: Path, assert_same_run: Same
) -> None:
    config, folder = tmp_path / "tiny.yaml", tmp_path / "run"
    config.write_text(tiny.to_yaml(), encoding="utf-8")
    command = [sys.executable, "-c", VICTIM, str(config), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 2:
                process.kill()
                break
    assert process.returncode == -signal.SIGKILL
    train(tiny, folder, resume=True)
    assert_same_run(folder, finished)


def test_ctrl_c_saves_says_how_to_go_on_and_ends_the_same(
    tiny: RunConfig, finished: Path, tmp_path: Path, assert_same_run: Same
) -> None:
    rare = tiny.but(train=tiny.train.but(checkpoint_steps=1000))

    def press(event: dict[str, Any]) -> None:
        if event["kind"] == "step" and event["step"] == 4:
            os.kill(os.getpid(), signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(Interrupted, match=r"saved after step \d.*--resume"):
        train(rare, tmp_path, on_event=press)
    assert signal.getsignal(signal.SIGINT) is before
    seen: list[int] = []
    train(rare, tmp_path, resume=True, on_event=lambda e: seen.append(e["step"]) if e["kind"] == "step" else None)
    assert min(seen) >= 4
    assert (tmp_path / "metrics.jsonl").read_bytes() == (finished / "metrics.jsonl").read_bytes()


def test_ctrl_c_during_validation_is_granted_at_the_end_of_the_epoch(tiny: RunConfig, tmp_path: Path) -> None:
    def press(event: dict[str, Any]) -> None:
        if event["kind"] == "epoch":
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match="after epoch 1"):
        train(tiny, tmp_path, on_event=press)


def test_checkpoints_within_an_epoch_come_by_time_too(tiny: RunConfig, tmp_path: Path) -> None:
    often = tiny.but(train=tiny.train.but(checkpoint_steps=None, checkpoint_seconds=1e-9))
    with pytest.raises(Killed):
        train(often, tmp_path, on_event=killing(lambda e: e.get("step") == 2))
    assert checkpoint.load(tmp_path / "checkpoint/last.ckpt")["progress"]["step"] == 1


def test_a_folder_with_a_run_is_refused_with_the_way_out(tiny: RunConfig, finished: Path) -> None:
    with pytest.raises(ConfigError, match=r"already holds a run.*--resume, or choose another folder"):
        train(tiny, finished)


def test_a_folder_in_which_another_process_trains_is_refused(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_PATIENCE", 0.0)
    with FileLock(tmp_path / ".lock"), pytest.raises(files.StorageError, match=r"another process trains in .*--folder"):
        train(tiny, tmp_path, resume=True)
    assert [p.name for p in tmp_path.iterdir()] == [".lock"]


def test_resuming_with_another_configuration_names_the_fields(tiny: RunConfig, finished: Path, tmp_path: Path) -> None:
    changed = tiny.but(optim=tiny.optim.but(lr=0.5), train=tiny.train.but(epochs=9))
    with pytest.raises(ConfigError, match=r"optim\.lr: 0\.5 instead of 0\.001; train\.epochs: 9 instead of 2"):
        train(changed, finished, resume=True)
    with pytest.raises(Killed):
        train(tiny, tmp_path, on_event=killing(lambda e: e.get("step") == 2))
    with pytest.raises(ConfigError, match=r"train\.epochs"):
        train(changed, tmp_path, resume=True)


def test_resuming_a_finished_run_returns_its_results(tiny: RunConfig, finished: Path) -> None:
    before = (finished / "results.json").stat().st_mtime_ns
    assert train(tiny, finished, resume=True)["test/accuracy"] >= 0
    assert (finished / "results.json").stat().st_mtime_ns == before

"""Series of training commands: each run in a folder, gone on with where it was cut short, repeated where it changed."""

import json
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from spikeformers.cli.request import read_config, read_request
from spikeformers.data.base import DataConfig
from spikeformers.data.samples import Samples
from spikeformers.engine.config import RunConfig

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Training:
    """One command of a series.

    Attributes:
        words: behind `spikeformers train`.
        folder: of the run.
    """

    words: tuple[str, ...]
    folder: Path

    @property
    def wanted(self) -> RunConfig:
        """The configuration that the command means."""
        return read_config(read_request("train", self.words))

    def done(self) -> bool:
        """Whether results of this very configuration are there."""
        return (self.folder / "results.json").exists() and not self._other()

    def _other(self) -> list[str]:
        return RunConfig.from_yaml(self.folder / "config.yaml").differences(self.wanted)

    def run(self) -> float:
        """Train, or go on with it; CPU seconds that it took."""
        known = (self.folder / "config.yaml").exists()
        if known and self._other():
            shutil.rmtree(self.folder)
            known = False
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = [sys.executable, "-m", "spikeformers", "train", *self.words, "--folder", str(self.folder)]
        subprocess.run([*command, *(["--resume"] if known else [])], check=True, cwd=ROOT)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def results(self) -> dict[str, Any]:
        """What the run wrote."""
        found: dict[str, Any] = json.loads((self.folder / "results.json").read_text(encoding="utf-8"))
        return found


def linear(data: DataConfig, strengths: Sequence[float] = (0.01, 0.1, 1.0, 10.0, 100.0)) -> dict[str, Any]:
    """The yardstick: logistic regression on the same inputs and split, its regularization chosen on the validation part."""
    from sklearn.linear_model import LogisticRegression

    splits = data.build()

    def table(part: Samples) -> tuple[Any, Any]:
        where = torch.arange(len(part))
        return part.inputs(where).flatten(1).numpy(), part.targets(where).numpy()

    train, val, test = table(splits.train), table(splits.val), table(splits.test)
    fits = [LogisticRegression(C=c, max_iter=10_000).fit(*train) for c in strengths]
    scores = [{"C": fit.C, "val/accuracy": fit.score(*val), "test/accuracy": fit.score(*test)} for fit in fits]
    best = max(score["val/accuracy"] for score in scores)
    chosen = max((s for s in scores if s["val/accuracy"] == best), key=lambda s: s["test/accuracy"])
    sizes = [len(part[1]) for part in (train, val, test)]
    largest = max(float((test[1] == label).mean()) for label in set(test[1].tolist()))
    return {
        "name": "logistic regression (scikit-learn)",
        **chosen,
        "tried": scores,
        "samples": sizes[2],
        "sizes": sizes,
        "largest_class": largest,
    }


def write(out: Path, record: dict[str, Any], page: Path, text: str) -> None:
    """Record and page, each whole."""
    write_record(out, record)
    write_whole(page, text)


def write_record(out: Path, record: dict[str, Any]) -> None:
    """A record alone, whole."""
    write_whole(out, json.dumps(record, indent=1) + "\n")


def write_whole(path: Path, text: str) -> None:
    """A file that appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_suffix(".part").write_text(text, encoding="utf-8")
    os.replace(path.with_suffix(".part"), path)

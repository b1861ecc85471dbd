"""A run folder made by hand: the files of a small finished run, with numbers that look like one."""

import json
import math
import random
from pathlib import Path
from typing import Any

import pytest

PATHS = [
    "stem.0.neuron",
    "stem.1.neuron",
    "blocks.0.attention.q.neuron",
    "blocks.0.attention.k.neuron",
    "blocks.0.mlp.0.neuron",
]
STEPS = 4
DIGIT = [
    [0, 0, 5, 13, 9, 1, 0, 0], [0, 0, 13, 15, 10, 15, 5, 0], [0, 3, 15, 2, 0, 11, 8, 0], [0, 4, 12, 0, 0, 8, 8, 0],
    [0, 5, 8, 0, 0, 9, 8, 0], [0, 4, 11, 0, 1, 12, 7, 0], [0, 2, 14, 5, 10, 12, 0, 0], [0, 0, 6, 13, 10, 0, 0, 0],
]  # fmt: skip
CONFIG = """name: spikformer_digits
model:
  family: spikformer
  img_size: 8
  neuron:
    family: lif
    tau: 2.0  # a comment with <angle brackets>
data:
  family: digits
  root: null
seed: 0
"""


def _metrics() -> list[dict[str, Any]]:
    rows = []
    for epoch in range(12):
        for split, lag in (("train", 0.0), ("val", 0.03)):
            loss = 2.3 * math.exp(-epoch / 3) + lag
            rows.append(
                {
                    "step": 20 * (epoch + 1),
                    "epoch": epoch,
                    "split": split,
                    "loss": loss,
                    "accuracy": 1 - 0.9 * loss / 2.4,
                }
            )
    return rows


def _raster() -> dict[str, Any]:
    draw = random.Random(3)
    sizes = {path: 64 * (i + 1) for i, path in enumerate(PATHS)}
    layers = {
        path: [sorted(draw.sample(range(n), int(n * 0.12 * (1 + 0.4 * t)))) for t in range(STEPS)]
        for path, n in sizes.items()
    }
    image = [[value / 16 for value in row] for row in DIGIT]
    return {"image": image, "target": 0, "prediction": 0, "layers": layers, "sizes": sizes}


def _energy() -> dict[str, Any]:
    layers = [
        {"path": path.removesuffix(".neuron") + ".conv", "kind": "Conv2d" if "stem" in path else "Linear", "dense_macs": 10**6,
         "macs": 10**6 if i == 0 else 0, "acs": 0 if i == 0 else 4 * 10**5, "rate": 0.62 if i == 0 else 0.13,
         "spike_driven": i > 0, "snn_mj": 0.0046 if i == 0 else 0.0009 * (1 + i / 4), "ann_mj": 0.0046 * (1 + i / 4)}
        for i, path in enumerate(PATHS)
    ]  # fmt: skip
    return {
        "snn_mj": sum(row["snn_mj"] for row in layers),
        "ann_mj": sum(row["ann_mj"] for row in layers),
        "synops": 1.6e6,
        "firing_rate": 0.139,
        "layers": layers,
        "conventions": [
            {
                "name": "measured",
                "mj": 0.0101,
                "assumption": "each layer priced by what its input was: spikes or real values",
            },
            {
                "name": "all accumulates",
                "mj": 0.0072,
                "assumption": "every layer counted as spike-driven, the first too",
            },
            {"name": "dense", "mj": 0.14, "assumption": "no sparsity: T times the operations of the twin"},
        ],
        "assumptions": [
            "45 nm, 0.9 V: 4.6 pJ per multiply-accumulate, 0.9 pJ per accumulate",
            "memory traffic is not counted",
        ],
    }


def _confusion() -> list[list[int]]:
    draw = random.Random(1)
    rows = [[0] * 10 for _ in range(10)]
    for true in range(10):
        for _ in range(36):
            rows[true][true if draw.random() < 0.97 else draw.randrange(10)] += 1
    return rows


def write_run(folder: Path) -> Path:
    """Write the files of a finished run into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in _metrics()))
    draw = random.Random(2)
    rates = {path: [0.05 + 0.04 * t + 0.1 * draw.random() for t in range(STEPS)] for path in PATHS}
    confusion = _confusion()
    right = sum(confusion[i][i] for i in range(10)) / 360
    energy = _energy()
    files = {
        "machine.json": {
            "cpu": "A processor", "cores": 2, "threads": 2, "memory_gib": 8.0, "gpu": None,
            "versions": {"python": "3.11.2", "torch": "2.13.0", "spikeformers": "0.1.0"},
        },
        "energy.json": energy,
        "analysis.json": {
            "firing_rates": rates, "raster": _raster(), "confusion": confusion, "classes": [str(i) for i in range(10)],
        },
        "results.json": {
            "test/accuracy": right, "val/accuracy": 0.9944, "test/loss": 0.11, "val/loss": 0.09, "best_epoch": 10,
            "firing_rate": 0.139, "params": 321_000, "synops": 1.6e6, "energy/snn_mj": energy["snn_mj"],
            "energy/ann_mj": energy["ann_mj"], "seconds": 83.4, "peak_memory_mib": 812.0, "model": "spikformer",
            "data": "digits", "seed": 0, "epochs": 12, "steps_per_second": 9.7, "version": "0.1.0",
        },
    }  # fmt: skip
    for name, value in files.items():
        (folder / name).write_text(json.dumps(value))
    return folder


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """The folder of a finished run."""
    return write_run(tmp_path / "runs" / "spikformer_digits-1")

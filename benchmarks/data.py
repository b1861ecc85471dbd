"""Data: events a second into tensors, memory for files larger than it, and how long training waits for batches.

    python benchmarks/data.py [--events 5000000] [--megabytes 512] [--steps 15]

Events lie at random places of a 304×240 sensor, which is the worst case for the processor's caches; a run is one thread.
Memory is the most that is allocated while windows of 250 ms are read out of one .dat file. Waiting is the share of a
training step (forward, backward, AdamW of a Spikformer 2-192) that passes before the batch is there; data are files in
their true layout, decoded, augmented and mixed anew for every batch. Ends with 1 if a goal is missed.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spikeformers.data.base import DataConfig
from spikeformers.data.datasets.image_folder import ImageFolderConfig
from spikeformers.data.datasets.n_mnist import NMNISTConfig
from spikeformers.data.events.array import make_events
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.readers import nmnist, prophesee_dat
from spikeformers.data.events.representation import REPRESENTATIONS
from spikeformers.data.formats.pictures import write_picture
from spikeformers.data.loader import Loader
from spikeformers.data.transforms.event import Neuromorphic
from spikeformers.data.transforms.mix import CutMix, EventMix
from spikeformers.data.transforms.rand_augment import RandAugment
from spikeformers.encoders.direct import DirectConfig
from spikeformers.engine.machine import machine_card
from spikeformers.models.vision.spikformer import SpikformerConfig
from spikeformers.tasks.classification import ClassificationConfig

OUT = Path(__file__).parent / "results" / "data.json"
HEIGHT, WIDTH = 240, 304
BATCH, SAMPLES = 32, 320
EVENTS_A_SAMPLE = 4000
"""About as many as a recording of N-MNIST has."""
WINDOW_US = 250_000
LEAST_SPEED, MOST_WAITING, MOST_MEMORY = 20.0, 0.10, 64.0
"""Goals: million events a second into frames, share of a step that waits with two workers, MiB for windows of a file."""


def random_events(count: int, first: int = 0, last: int = 10**7) -> np.ndarray:
    """Events at random places, ascending in time."""
    rng = np.random.default_rng(first)
    x, y, p = (rng.integers(0, high, count) for high in (WIDTH, HEIGHT, 2))
    return make_events(x, y, np.sort(rng.integers(first, last, count)), p)


def best_of(times: int, run: Callable[[], object]) -> float:
    """Shortest time of several runs, in seconds; one more comes before and is not counted."""
    run()
    spent = []
    for _ in range(times):
        start = time.perf_counter()
        run()
        spent.append(time.perf_counter() - start)
    return min(spent)


def representations(count: int) -> dict[str, float]:
    """Million events a second that each representation takes in, and that readers give out."""
    events = random_events(count)
    cases: dict[str, Callable[[], object]] = {}
    for name in REPRESENTATIONS.names():
        config = REPRESENTATIONS.config(name)
        cases[name] = lambda config=config: config.represent(events, HEIGHT, WIDTH)  # type: ignore[misc]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dat"
        prophesee_dat.write(path, events)
        cases["reading .dat"] = lambda: prophesee_dat.read(path)
        return {name: count / best_of(3, run) / 1e6 for name, run in cases.items()}


def memory(megabytes: int) -> dict[str, float]:
    """Memory that windows of a large file take at most, mapped pages not counted."""
    chunk = 1 << 20  # events; 8 MiB on disk
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.dat"
        prophesee_dat.write(path, random_events(chunk, 0, 10**6))
        with path.open("ab") as out:
            for k in range(1, megabytes // 8):
                part = Path(folder) / "part.dat"
                prophesee_dat.write(part, random_events(chunk, k * 10**6, (k + 1) * 10**6))
                out.write(part.read_bytes()[-8 * chunk :])
        last = megabytes // 8 * 10**6 - WINDOW_US
        starts = np.random.default_rng(0).integers(0, last, 20).tolist()
        windows = [lambda start=start: prophesee_dat.read_between(path, start, start + WINDOW_US) for start in starts]
        seconds = [best_of(1, window) for window in windows]
        tracemalloc.start()
        for window in windows:
            window()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return {
            "file_mib": path.stat().st_size / 2**20,
            "peak_mib": peak / 2**20,
            "window_ms": statistics.median(seconds) * 1e3,
        }


def event_files(folder: Path) -> DataConfig:
    """N-MNIST in its layout."""
    for part in ("Train", "Test"):
        for i in range(SAMPLES if part == "Train" else 20):
            (folder / part / str(i % 10)).mkdir(parents=True, exist_ok=True)
            nmnist.write(folder / part / str(i % 10) / f"{i:05}.bin", fake_events(i, 34, 34, EVENTS_A_SAMPLE))
    return NMNISTConfig(root=str(folder), size=32).but(mix=EventMix())


def picture_files(folder: Path) -> DataConfig:
    """Pictures of 96×96 pixels in class folders."""
    rng = np.random.default_rng(0)
    for i in range(SAMPLES):
        (folder / f"class{i % 10}").mkdir(parents=True, exist_ok=True)
        pixels = np.kron(rng.integers(0, 256, (12, 12, 3)), np.ones((8, 8, 1))).astype(np.uint8)
        write_picture(folder / f"class{i % 10}" / f"{i}.png", pixels)
    return ImageFolderConfig(root=str(folder), size=32, augment=RandAugment(operations=2), mix=CutMix())


CASES: dict[str, Callable[[Path], DataConfig]] = {"events": event_files, "images": picture_files}


def waiting(case: str, workers: int, steps: int) -> dict[str, float]:
    """Share of the steps of a training that it waits for its batches."""
    with tempfile.TemporaryDirectory() as folder:
        data = CASES[case](Path(folder))
        augment = Neuromorphic(flip=0.0) if case == "events" else data.augment
        channels = data.info.shape[-3]
        model = SpikformerConfig(
            img_size=32,
            in_channels=channels,
            num_classes=10,
            dim=192,
            depth=2,
            heads=6,
            timesteps=4 if case == "images" else 10,
        )
        torch.manual_seed(0)
        task = ClassificationConfig().build(model, DirectConfig(), data.info).train()
        optimizer = torch.optim.AdamW(task.parameters())
        train = data.build().train
        loader = Loader(
            train,
            BATCH,
            seed=0,
            shuffle=True,
            augment=augment,
            mix=data.mix,
            classes=10,
            workers=workers,
            drop_last=True,
        )
        waits, totals, epoch = [], [], 0
        while len(totals) < steps + 2:
            loader.set_epoch(epoch)
            batches, epoch = iter(loader), epoch + 1
            while True:
                start = time.perf_counter()
                batch = next(batches, None)
                if batch is None or len(totals) == steps + 2:
                    break
                waits.append(time.perf_counter() - start)
                optimizer.zero_grad()
                task.step(batch).loss.backward()
                optimizer.step()
                totals.append(time.perf_counter() - start)
        waits, totals = waits[2:], totals[2:]
        return {
            "wait_ms": statistics.median(waits) * 1e3,
            "step_ms": statistics.median(totals) * 1e3,
            "share": sum(waits) / sum(totals),
        }


def run(events: int, megabytes: int, steps: int) -> dict[str, Any]:
    """Everything, in turn."""
    sys.stderr.write("memory\n")
    kept = memory(megabytes)
    sys.stderr.write("representations\n")
    torch.set_num_threads(1)
    speeds = representations(events)
    torch.set_num_threads(2)
    waits = {}
    for case in CASES:
        for workers in (0, 2):
            sys.stderr.write(f"waiting: {case}, {workers} workers\n")
            waits[f"{case}, {workers} workers"] = waiting(case, workers, steps)
    return {
        "what": __doc__.splitlines()[0],
        "million_events_per_second": speeds,
        "memory": kept,
        "waiting": waits,
        "batch": BATCH,
        "machine": machine_card(),
    }


def reached(result: dict[str, Any]) -> bool:
    """Whether the goals are reached."""
    waits = [row["share"] for name, row in result["waiting"].items() if name.endswith("2 workers")]
    fast = result["million_events_per_second"]["frames"] >= LEAST_SPEED
    return fast and max(waits) < MOST_WAITING and result["memory"]["peak_mib"] < MOST_MEMORY


def table(result: dict[str, Any]) -> str:
    """The result as text."""
    lines = [f"{name:24}{speed:8.1f} million events/s" for name, speed in result["million_events_per_second"].items()]
    kept = result["memory"]
    lines.append(
        f"{'windows of a file':24}{kept['file_mib']:8.0f} MiB file, {kept['peak_mib']:.0f} MiB of memory, "
        f"{kept['window_ms']:.1f} ms a window"
    )
    lines += [
        f"{name:24}{row['share']:8.1%} of a step waits ({row['wait_ms']:.1f} of {row['step_ms']:.0f} ms)"
        for name, row in result["waiting"].items()
    ]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run all cases, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--megabytes", type=int, default=512)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args(argv)
    result = run(arguments.events, arguments.megabytes, arguments.steps)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))
    return 0 if reached(result) else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""The smallest Spikformer on every kind of data, one command each: whether the data layer feeds the engine.

    python benchmarks/first_trainings.py [--only NAME ...] [--seeds 3] [--data FOLDER] [--write]

Runs `spikeformers train RECIPE --seed S` for every recipe and seed whose folder runs/first/RECIPE-S has no results of
that very configuration yet, goes on with runs that were cut short, and after each writes
benchmarks/results/first_trainings.json and docs/trainings.md. Data that is not there is skipped and said so. Beside each
stand logistic regression on the same inputs and split, and the share of the largest class.
"""

import argparse
import json
import statistics
import subprocess
from pathlib import Path
from typing import Any

import series
from series import ROOT, Training

from spikeformers.bench.numbers import spread
from spikeformers.cli.parsing import UsageError
from spikeformers.core.errors import DataError
from spikeformers.engine.config import RunConfig
from spikeformers.engine.machine import machine_card

RUNS = ROOT / "runs" / "first"
OUT = ROOT / "benchmarks" / "results" / "first_trainings.json"
PAGE = ROOT / "docs" / "trainings.md"
FOLDERS = {
    "spikformer_fashion_mnist_2000": None,
    "spikformer_n_mnist": "n-mnist-1100",
    "spikformer_spoken_digits": "fsdd",
    "spikformer_permuted_rows": None,
    "spikformer_meshes": None,
    "spikformer_eeg_eye_state": "eeg-eye-state",
}
"""Recipe → where its files lie in the folder of data; None where a system package brings them."""
KEPT = ("params", "val/accuracy", "test/accuracy", "best_epoch", "epochs", "firing_rate", "seconds")
STRENGTHS = (0.001, 0.01, 0.1)
"""Regularizations that the yardstick tries."""


def training(name: str, seed: int, data: Path) -> Training:
    """Its run."""
    folder = FOLDERS[name]
    root = () if folder is None else ("--data.root", str(data / folder))
    return Training((name, *root, "--seed", str(seed)), RUNS / f"{name}-{seed}")


def yardstick(config: RunConfig, earlier: dict[str, Any]) -> dict[str, Any]:
    """Logistic regression on the run's data; the earlier one where the data are the same."""
    data = config.data.to_dict() | {"root": None}
    if earlier.get("data") == data:
        return earlier
    return {"data": data, **series.linear(config.data, STRENGTHS)}


def gather(data: Path, earlier: dict[str, Any]) -> dict[str, Any]:
    """The whole record from the run folders; what is known of a run besides (its CPU seconds) stays."""
    known = {row["recipe"]: row for row in earlier.get("rows", [])}
    rows = []
    for name, folder in FOLDERS.items():
        seeds = sorted(int(path.name.removeprefix(f"{name}-")) for path in RUNS.glob(f"{name}-*"))
        done = {seed: each for seed in seeds if (each := training(name, seed, data)).done()}
        if not done:
            continue
        before = known.get(name, {"linear": {}, "runs": []})
        cpu = {run["seed"]: run["cpu_seconds"] for run in before["runs"]}
        runs = []
        for seed, each in done.items():
            results = each.results()
            runs.append({"seed": seed, **{key: results[key] for key in KEPT}, "cpu_seconds": cpu.get(seed)})
        config = next(iter(done.values())).wanted
        root = "" if folder is None else " --data.root FOLDER"
        rows.append(
            {
                "recipe": name,
                "command": f"spikeformers train {name}{root}",
                "title": config.data.info.title,
                "steps": _steps(config),
                "image": [config.model.in_channels, *config.model.image],
                "linear": yardstick(config, before["linear"]),
                "runs": runs,
            }
        )
    return {"rows": rows, "machine": machine_card()}


def _steps(config: RunConfig) -> int:
    """Time steps that the network sees of a sample."""
    shape = config.data.info.shape
    steps = 1 if len(shape) == 3 else shape[0] // config.task.rows  # type: ignore[attr-defined]
    return config.model.timesteps if steps == 1 else steps


def page(record: dict[str, Any]) -> str:
    """The table for the docs."""
    head = (
        "<!-- Written by benchmarks/first_trainings.py from benchmarks/results/first_trainings.json. -->\n"
        "# First trainings\n\n"
        "The smallest Spikformer on every kind of data, one command each: a proof that the data layer feeds the engine,\n"
        "not a record. All settings were chosen on validation data, the epoch of each run too; its test part was looked at\n"
        "once. Over several seeds, mean ± standard deviation; beside it the standard error that a test of that size has by\n"
        "itself. *Linear* is logistic regression on the same inputs and split, *chance* the largest class of the test part.\n\n"
    )
    lines = [
        "| data | T × image | train / val / test | parameters | seeds | validation | test | standard error | linear | chance | firing | CPU s |",
        "|---|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in record["rows"]:
        runs, base = row["runs"], row["linear"]
        test = [run["test/accuracy"] for run in runs]
        mean = statistics.mean(test)
        error = (mean * (1 - mean) / base["samples"]) ** 0.5
        seconds = [run["cpu_seconds"] for run in runs if run["cpu_seconds"] is not None]
        lines.append(
            f"| {row['title']} | {row['steps']} × {'×'.join(map(str, row['image']))} "
            f"| {' / '.join(f'{size:,}' for size in base['sizes'])} | {runs[0]['params']:,} | {len(runs)} "
            f"| {spread([run['val/accuracy'] for run in runs])} | **{spread(test)}** | {error:.1%} "
            f"| {base['test/accuracy']:.1%} | {base['largest_class']:.1%} "
            f"| {statistics.mean(run['firing_rate'] for run in runs):.1%} "
            f"| {f'{statistics.mean(seconds):.0f}' if seconds else ''} |"
        )
    commands = "\n".join(f"- {row['title']}: `{row['command']}`" for row in record["rows"])
    return (
        head
        + "\n".join(lines)
        + "\n\nThe meshes are sampled again for the test, so that row asks whether a known object is recognized, not whether a\n"
        "class is learned. EEG eye state is split by time: one person, and the eyes' state changes slowly, so neighboring\n"
        "windows of a random split would give the answer away; read that row beside its columns *linear* and *chance*.\n"
        f"CPU seconds are of the whole command (start, training, test, counting, report) on {record['machine']['cpu']},\n"
        f"commit `{record['machine']['commit']}`.\n\n## Commands\n\n{commands}\n"
    )


def main() -> int:
    """Run what is missing; write the table after each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="NAME", help="run these recipes only")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds, from 0 on")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data", help="folder of the recordings")
    parser.add_argument("--write", action="store_true", help="run nothing, write the table of what is there")
    args = parser.parse_args()
    unknown = set(args.only or ()) - set(FOLDERS)
    if unknown or args.seeds < 1:
        raise UsageError(f"no such recipes: {', '.join(sorted(unknown))}" if unknown else "--seeds must be at least 1")
    record = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    failed = []
    for seed in range(0 if args.write else args.seeds):
        for name in args.only or FOLDERS:
            each = training(name, seed, args.data)
            if each.done():
                continue
            try:
                each.wanted.data.build()
            except DataError as error:
                print(f"{name}: skipped, {str(error).splitlines()[0]}")
                continue
            try:
                seconds = each.run()
            except subprocess.CalledProcessError:
                failed.append(f"{name} (seed {seed})")
                continue
            record = gather(args.data, record)
            run = next(r for row in record["rows"] if row["recipe"] == name for r in row["runs"] if r["seed"] == seed)
            run["cpu_seconds"] = seconds
            series.write(OUT, record, PAGE, page(record))
    record = gather(args.data, record)
    series.write(OUT, record, PAGE, page(record))
    print(f"{OUT}\n{PAGE}" + (f"\nfailed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())

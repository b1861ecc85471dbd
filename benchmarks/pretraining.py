"""What masked pre-training is worth where labels are few: a small SDT V3 on real scans of digits.

    python benchmarks/pretraining.py [--seeds 3] [--labels 200] [--write]

For every seed: `spikeformers train masked_digits`, without labels, on the training part; then `learns_digits` on a few
labeled scans of that part twice, from random weights and from those of the pre-training, otherwise alike. Runs whose
folder in runs/pretraining has results of that very configuration are not repeated. Writes
benchmarks/results/pretraining.json and docs/pretraining.md after each seed; about eight minutes of CPU time for three.
"""

import argparse
import json
import statistics
from typing import Any

import series
import torch
from series import ROOT, Training

from spikeformers.bench.numbers import spread
from spikeformers.cli.parsing import UsageError
from spikeformers.data.base import DataConfig
from spikeformers.engine.machine import machine_card
from spikeformers.metrics.reconstruction import Reconstruction
from spikeformers.recipes.learns import SHIFT
from spikeformers.recipes.pretraining import SIZE, masked_digits

RUNS = "runs/pretraining"
OUT = ROOT / "benchmarks" / "results" / "pretraining.json"
PAGE = ROOT / "docs" / "pretraining.md"
LABELS, EPOCHS = 200, 16
"""Labeled scans, and passes over them; few scans make short epochs."""
STARTS = {"random": "random weights", "pretrained": "masked pre-training"}


def pretraining(seed: int) -> Training:
    """The run without labels."""
    return Training(("masked_digits", "--seed", str(seed)), ROOT / RUNS / f"masked-{seed}")


def tuning(start: str, seed: int, labels: int) -> Training:
    """A run on few labels, from random weights or from those of the pre-training of the same seed."""
    words = f"learns_digits model=sdt_v3_large_tiny --model.in-channels 1 --model.img-size {SIZE} --data.size {SIZE}"
    words += f" --data.augment.shift {SHIFT * SIZE:g} --data.limit {labels} --train.epochs {EPOCHS} --seed {seed}"
    if start == "pretrained":
        words += f" --weights {RUNS}/masked-{seed}"
    return Training(tuple(words.split()), ROOT / RUNS / f"{start}-{labels}-{seed}")


def by_position(data: DataConfig) -> float:
    """What a drawing explains that ignores what is visible: for every place, the mean patch of the training part."""
    config = masked_digits()
    task = config.task.build(config.model, config.encoder, data.info)
    splits = data.build()
    train, test = (
        task.target(part.inputs(torch.arange(len(part))))[0]  # type: ignore[attr-defined]
        for part in (splits.train, splits.test)
    )
    metric = Reconstruction()
    metric.update(train.mean(0).expand_as(test).flatten(0, 1), test.flatten(0, 1), test.new_zeros(()))
    return metric.compute()["explained"]


def gather(labels: int, cpu: dict[str, float]) -> dict[str, Any]:
    """The whole record from the run folders; seeds of which a run is missing are left out."""
    rows, seed = [], 0
    while pretraining(seed).done() and all(tuning(start, seed, labels).done() for start in STARTS):
        row: dict[str, Any] = {"seed": seed, "explained": pretraining(seed).results()["test/explained"]}
        for start in STARTS:
            results = tuning(start, seed, labels).results()
            row[start] = {name: results[name] for name in ("val/accuracy", "test/accuracy", "best_epoch", "epochs")}
        names = [pretraining(seed).folder.name, *(tuning(start, seed, labels).folder.name for start in STARTS)]
        rows.append({**row, "cpu_seconds": [cpu.get(name) for name in names]})
        seed += 1
    few, all_of_them = tuning("random", 0, labels).wanted, masked_digits()
    return {
        "labels": labels,
        "linear": series.linear(few.data),
        "by_position": by_position(all_of_them.data),
        "pretraining": {"epochs": all_of_them.train.epochs, "samples": len(all_of_them.data.build().train)},
        "commands": [
            " ".join(("spikeformers train", *each.words, "--folder", f"{RUNS}/{each.folder.name}"))
            for each in (pretraining(0), *(tuning(start, 0, labels) for start in STARTS))
        ],
        "rows": rows,
        "cpu_seconds": cpu,
        "machine": machine_card(),
    }


def page(record: dict[str, Any]) -> str:
    """The page for the docs."""
    rows, base = record["rows"], record["linear"]
    explained = [row["explained"] for row in rows]
    lines = [
        "<!-- Written by benchmarks/pretraining.py from benchmarks/results/pretraining.json. -->",
        "# Masked pre-training, where labels are few",
        "",
        f"A small SDT V3 first draws hidden patches of {record['pretraining']['samples']:,} scans of digits without labels "
        f"(`masked_digits`, {record['pretraining']['epochs']} epochs;",
        "how: [pre-train by masking](howto/pretrain-by-masking.md)), then learns classes from "
        f"{record['labels']} labeled scans among them, and beside it",
        "the same network learns from random weights, with the same commands otherwise. Seeds change weights, masks, order and",
        "augmentation; the labeled scans are always the same. The epoch is chosen on the validation part, the test part of",
        f"{base['samples']} scans is looked at once; mean ± standard deviation over {len(rows)} seeds.",
        "",
        "| starts from | validation | test |",
        "|---|---:|---:|",
    ]
    for start, name in STARTS.items():
        val, test = ([row[start][f"{part}/accuracy"] for row in rows] for part in ("val", "test"))
        lines.append(f"| {name} | {spread(val)} | **{spread(test)}** |")
    gains = [row["pretrained"]["test/accuracy"] - row["random"]["test/accuracy"] for row in rows]
    mean = statistics.mean(row["random"]["test/accuracy"] for row in rows)
    error = (mean * (1 - mean) / base["samples"]) ** 0.5
    lines += [
        f"| logistic regression on the same scans | {base['val/accuracy']:.1%} | {base['test/accuracy']:.1%} |",
        "",
        f"Gain of pre-training on the test part, seed by seed: {', '.join(f'{gain:+.1%}' for gain in gains)}; "
        f"mean {spread(gains, '+')}. {_verdict(gains)}",
        f"A test of {base['samples']} scans has a standard error of {error:.1%} by itself, for both starts on the same scans.",
        "",
        f"The pre-training explains {spread(explained)} of the variance of hidden patches of the test part; drawing the mean "
        f"patch of every place,",
        f"whatever is visible, explains {record['by_position']:.1%}. {_depth(statistics.mean(explained), record['by_position'])}",
        "",
        f"{record['machine']['cpu']}, commit `{record['machine']['commit']}`. Commands of the first seed:",
        "",
        *(f"- `{command}`" for command in record["commands"]),
        "",
    ]
    return "\n".join(lines)


def _depth(explained: float, by_position: float) -> str:
    """Whether a pre-training has learned more than what lies where."""
    if explained - by_position < 0.05:
        return "So short a pre-training has learned little besides what lies where; longer ones are not measured here."
    return "The rest comes from what is visible."


def _verdict(gains: list[float]) -> str:
    """Whether the seeds agree on a gain."""
    if len(gains) < 2:
        return "One seed says nothing about chance."
    error = statistics.stdev(gains) / len(gains) ** 0.5
    if abs(statistics.mean(gains)) > 2 * error:
        return "That is more than twice its standard error over the seeds."
    return "That is within twice its standard error over the seeds: no difference is shown."


def main() -> int:
    """Run what is missing; write the page after each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="how many seeds, from 0 on")
    parser.add_argument("--labels", type=int, default=LABELS, help="how many labeled scans")
    parser.add_argument("--write", action="store_true", help="run nothing, write the page of what is there")
    args = parser.parse_args()
    if args.seeds < 1 or args.labels < 10:
        raise UsageError("--seeds must be at least 1 and --labels at least 10")
    earlier = json.loads(OUT.read_text(encoding="utf-8")) if OUT.exists() else {}
    cpu: dict[str, float] = earlier.get("cpu_seconds", {})
    for seed in range(args.seeds):
        for each in (pretraining(seed), *(tuning(start, seed, args.labels) for start in STARTS)):
            if not each.done() and not args.write:
                cpu[each.folder.name] = each.run()
        if not args.write or seed == args.seeds - 1:
            record = gather(args.labels, cpu)
            if not record["rows"]:
                raise UsageError(f"there are no finished runs in {RUNS}; leave out --write")
            series.write(OUT, record, PAGE, page(record))
    print(f"{OUT}\n{PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

"""A spiking transformer and its ANN twin in few bits on real digits: accuracy and energy, after training and in training.

    python benchmarks/quantized.py [--run runs/quantized] [--bits 8 4 2] [--write]

Trains spikformer_digits if the run is not there, then its twins (four trainings of about a minute each), and writes
benchmarks/results/quantized.json and docs/quantized.md.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from spikeformers.bench import numbers
from spikeformers.bench.quantized import bits_of, quantized
from spikeformers.engine.config import RunConfig
from spikeformers.engine.machine import machine_card

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results" / "quantized.json"
PAGE = ROOT / "docs" / "quantized.md"
HOW = {"": "as trained", "PTQ": "rounded after training", "QAT": "trained with few bits"}


def page(record: dict[str, Any]) -> str:
    """The table for the docs."""
    levels = list(record["levels"])
    head = (
        "<!-- Written by benchmarks/quantized.py from benchmarks/results/quantized.json. -->\n# In few bits\n\n"
        f"`{record['name']}` (T={record['steps']}) and its ANN twin: the same recipe with ReLU for neurons and one step, on the same\n"
        "real scans of digits, with the same seed, length and augmentation. Weights have one step per output channel, activations one\n"
        "per layer; the first and the last layer keep 8 bits. Trained with few bits means from the first step on. Do it with any run, and\n"
        "`--train` for the twins:\n\n"
        "```console\n$ spikeformers quantize runs/spikformer_digits-1\n```\n\n"
        f"Accuracy is of {record['samples']} test scans (one scan is {100 / record['samples']:.2f} %), one seed: differences of a few scans mean\n"
        f"nothing. Energy per scan, of {record['energy_samples']} validation scans, at {record['prices']} prices: arithmetic alone, and with everything that\n"
        "moves read from one level of memory.\n\n"
    )
    lines = [
        f"| network | bits | how | test accuracy | mean rate | arithmetic | {' | '.join('+ ' + name for name in levels)} |",
        "|---|---|---|---:|---:|---:|" + "---:|" * len(levels),
    ]
    for row in record["rows"]:
        rate = "–" if row["firing_rate"] is None else numbers.percent(row["firing_rate"])
        energies = " | ".join(numbers.energy(row["total_mj"][level]) for level in levels)
        lines.append(
            f"| {row['network']} | {bits_of(row)} | {HOW[row['method']]} | {numbers.percent(row['test/accuracy'], 2)} | {rate} "
            f"| {numbers.energy(row['op_mj'])} | {energies} |"
        )
    said = dict.fromkeys(f"- {bits_of(row)}, {row['network']}: {row['assumption']}" for row in record["rows"])
    return (
        head
        + "\n".join(lines)
        + "\n\nWhat the energies assume:\n\n"
        + "\n".join(said)
        + f"\n\nMeasured at commit `{record['machine']['commit']}`, torch {record['machine']['libraries']['torch']}.\n"
    )


def write(record: dict[str, Any]) -> None:
    """Record and page, each whole."""
    for path, text in ((OUT, json.dumps(record, indent=1) + "\n"), (PAGE, page(record))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".part").write_text(text, encoding="utf-8")
        os.replace(path.with_suffix(".part"), path)


def main() -> int:
    """Train what is missing, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=ROOT / "runs" / "quantized", help="folder of the run")
    parser.add_argument("--bits", type=int, nargs="+", default=[8, 4, 2])
    parser.add_argument("--write", action="store_true", help="measure nothing, write the page of what is recorded")
    args = parser.parse_args()
    if args.write:
        write(json.loads(OUT.read_text(encoding="utf-8")))
        return 0
    if not (args.run / "results.json").exists():
        words = ["train", "spikformer_digits", "--folder", str(args.run), "--resume"]
        subprocess.run([sys.executable, "-m", "spikeformers", *words], check=True)
    found = quantized(args.run, bits=args.bits, training=True)
    config = RunConfig.from_yaml(args.run / "config.yaml")
    write({**found, "seed": config.seed, "epochs": config.train.epochs, "machine": machine_card()})
    print(PAGE.read_text(encoding="utf-8"))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

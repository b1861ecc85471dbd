"""Energies that papers print for ImageNet beside the operations of the same networks: nothing is run, shapes are enough.

    python benchmarks/published.py

Writes benchmarks/results/published.json and docs/published_energy.md.
"""

import json
import os
from pathlib import Path
from typing import Any

from spikeformers.bench import numbers
from spikeformers.bench.published import check

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "benchmarks" / "results" / "published.json"
PAGE = ROOT / "docs" / "published_energy.md"


def page(record: dict[str, Any]) -> str:
    """The table for the docs."""
    head = """<!-- Written by benchmarks/published.py from benchmarks/results/published.json. -->
# Printed energies, checked

Nearly all papers use one line: 4.6 pJ × operations of the first layer + 0.9 pJ × T × firing rate × all other operations. The operations
of a network are a fact that anyone can count; the firing rate is the paper's measurement. So each printed energy implies a mean firing
rate, and with a rate as input the rule gives an energy. Where accumulates are printed too, the rate is theirs, and what they leave of the
energy tells how often the first layer was charged.

```console
$ spikeformers energy spikformer_8_768 --published --rate 0.25
```

"""
    lines = [
        "| network | printed mJ | T | G MAC per step | of the first layer | rate | G accumulates | first layer charged | printed in |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---|",
    ]
    for row in record["rows"]:
        lines.append(
            f"| `{row['model']}` | {row['mj']:.2f} | {row['steps']} | {row['dense_gmacs_per_step']:.2f} | {row['first_gmacs']:.3f} "
            f"| {numbers.percent(row['rate'])}{' (!)' if row['note'] else ''} | {row['gsops']:.2f} {'printed' if row['gsops_printed'] else 'implied'} "
            f"| {'–' if row['first_charged'] is None else format(row['first_charged'], '.2f') + '×'} | {row['source']} |"
        )
    note = next((row["note"] for row in record["rows"] if row["note"]), "")
    said = "\n".join(f"- {line}" for line in record["explanations"])
    return (
        head
        + "\n".join(lines)
        + (
            f"\n\n(!) {note[0].upper()}{note[1:]}. This is inferred from the printed number, not read in the paper.\n"
            if note
            else "\n"
        )
        + f"\n## What differs, and why\n\n{said}\n"
    )


def main() -> int:
    """Count and write."""
    record = check()
    for path, text in ((OUT, json.dumps(record, indent=1) + "\n"), (PAGE, page(record))):
        path.with_suffix(".part").write_text(text, encoding="utf-8")
        os.replace(path.with_suffix(".part"), path)
    print(f"{OUT}\n{PAGE}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

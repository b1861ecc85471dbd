"""Write docs/benchmarks.md from the recorded results: no number in it is typed.

python benchmarks/page.py
"""

import json
import sys
from pathlib import Path
from typing import Any

from neurons_page import draw, section

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"


def machine(card: dict[str, Any]) -> str:
    """One line on what was measured on what."""
    libraries = card["libraries"]
    versions = ", ".join(f"{name} {libraries[name]}" for name in ("torch", "numba") if name in libraries)
    return f"{card['cpu']}, {card['cpus']} cores, {card['threads']} threads, {versions}, commit `{card['commit']}`."


def kernels(result: dict[str, Any]) -> str:
    """The neuron kernels beside a loop, a copy and SpikingJelly."""
    lines = [
        "## Neurons",
        f"Input {result['shape']} {result['dtype']}, {result['rounds']} rounds in turn. *Floor*: the time in which the bytes that "
        "must move (8 per neuron and step forward, 20 with backward) are copied. `python benchmarks/kernels.py`",
        "",
        "| case | pass | median ms | fastest ms | × floor | × SpikingJelly's speed |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for row in result["rows"]:
        ratio = row.get("times_spikingjelly")
        lines.append(
            f"| {row['case']} | {row['kind']} | {row['median_ms']:.2f} | {row['fastest_ms']:.2f} | {row['over_floor']:.2f} | "
            f"{f'{ratio:.2f}' if ratio is not None else '–'} |"
        )
    return "\n".join([*lines, "", machine(result["machine"]), ""])


def training(result: dict[str, Any]) -> str:
    """One training step of whole models."""
    lines = [
        "## A training step",
        f"Forward, loss, backward; median of {result['rounds']} rounds of {result['steps']} steps, each case in processes of its own, "
        "in turn. *Kept*: what autograd keeps for backward, without weights. *Packed spikes*: `train.pack_spikes`, with equal "
        "gradients. *Speed*: relative to the first line of the network. `python benchmarks/training.py`",
        "",
    ]
    for name, network in result["networks"].items():
        side = network["side"]
        lines += [f"**{name}**, {side}×{side}, T={network['timesteps']}, batch {network['batch']}", "", *_TRAINING_HEAD]
        lines += [training_row(case, row) for case, row in network["rows"].items()]
        lines.append("")
    return "\n".join([*lines, machine(result["machine"]), ""])


_TRAINING_HEAD = [
    "| case | speed | median ms | min–max ms | images/s | peak MiB | kept MiB an image | first step s |",
    "|---|---:|---:|---:|---:|---:|---:|---:|",
]


def training_row(case: str, row: dict[str, Any]) -> str:
    """One implementation of a network, or why there are no figures of it."""
    if "note" in row:
        return f"| {case} | | {row['note']} | | | | | |"
    speed = f"{row['speed']:.2f}" if row["speed"] else "–"
    kept = f"{row['kept_mib']:.1f}" if row["kept_mib"] else "–"
    return (
        f"| {case} | {speed} | {row['median_ms']:.0f} | {row['min_ms']:.0f}–{row['max_ms']:.0f} | "
        f"{row['images_per_second']:.2f} | {row['peak_mib']:.0f} | {kept} | {row['first_step_s']:.1f} |"
    )


def energy(result: dict[str, Any]) -> str:
    """What counting operations costs."""
    return "\n".join(
        [
            "## Counting operations",
            f"{result['case']}: with the meter open it takes {result['ratio']:.2f} times the processor time. "
            "`python benchmarks/energy.py`",
            "",
            machine(result["machine"]),
            "",
        ]
    )


def neurons(result: dict[str, Any]) -> str:
    """Every neuron; draws the picture too."""
    draw(result)
    return section(result, machine(result["machine"]))


def data(result: dict[str, Any]) -> str:
    """How fast data come, and how long training waits for them."""
    kept = result["memory"]
    lines = [
        "## Data",
        f"A window of 250 ms out of a .dat file of {kept['file_mib']:.0f} MiB takes {kept['peak_mib']:.0f} MiB of memory and "
        f"{kept['window_ms']:.0f} ms. `python benchmarks/data.py`",
        "",
        "| events into | million events/s, one thread |",
        "|---|---:|",
        *[f"| {name} | {speed:.1f} |" for name, speed in result["million_events_per_second"].items()],
        "",
        f"Training of a small Spikformer, batch {result['batch']}, on files that are decoded, augmented and mixed anew:",
        "",
        "| data | step ms | waiting for the batch, ms | share of all steps |",
        "|---|---:|---:|---:|",
    ]
    for name, row in result["waiting"].items():
        lines.append(f"| {name} | {row['step_ms']:.0f} | {row['wait_ms']:.1f} | {row['share']:.1%} |")
    return "\n".join([*lines, "", machine(result["machine"]), ""])


SECTIONS = {
    "kernels.json": kernels,
    "neurons.json": neurons,
    "training.json": training,
    "energy.json": energy,
    "data.json": data,
}


def main() -> int:
    """Write the page."""
    parts = [
        "<!-- Written by benchmarks/page.py from benchmarks/results. -->",
        "# Benchmarks",
        "",
        "Machines here are shared and noisy: read the ratios, which come from one run, not the times.",
        "",
    ]
    for name, write in SECTIONS.items():
        path = RESULTS / name
        if path.exists():
            parts.append(write(json.loads(path.read_text(encoding="utf-8"))))
        else:
            sys.stderr.write(f"no {name} yet; its section is left out\n")
    PAGE.write_text("\n".join(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

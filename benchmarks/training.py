"""One training step of Spikformer 4-384 (32×32, T=4, batch 4): ours and SpikingJelly's, eager and compiled.

    python benchmarks/training.py [--rounds 3] [--steps 5] [--batch 4]

Every case runs in processes of its own, in turn, so that no case profits from another's warm memory and peak memory is
each case's own. A step is forward, loss and backward, without the optimizer, which is the same for all. Reported are
the median over all steps of all rounds, the spread, images per second and ratios to SpikingJelly eager.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from peers import spikingjelly
from torch import nn

from spikeformers.engine.machine import machine_card

OUT = Path(__file__).parent / "results" / "training.json"
BASELINE = "spikingjelly"


def ours(backend: str) -> nn.Module:
    """Our Spikformer 4-384; the neurons are those of the peer (sigmoid surrogate) on one backend."""
    import spikeformers
    from spikeformers.neurons import Neuron

    model = spikeformers.create_model("spikformer_4_384")
    for module in model.modules():
        if isinstance(module, Neuron):
            module.backend = backend
    return model


def peer() -> nn.Module:
    """SpikingJelly's CIFAR-10 Spikformer of the same size."""
    package, note = spikingjelly()
    if package is None:
        raise SystemExit(note)
    model: nn.Module = package.model.spikformer.spikformer_cifar10(T=4)
    reset = package.functional.reset_net
    model.register_forward_pre_hook(lambda module, _: reset(module))
    return model


CASES: dict[str, Callable[[], nn.Module]] = {
    BASELINE: peer,
    "spikingjelly compiled": lambda: torch.compile(peer()),
    "spikeformers reference": lambda: ours("reference"),
    "spikeformers": lambda: ours("auto"),
    "spikeformers compiled": lambda: torch.compile(ours("auto")),
}


def measure(name: str, steps: int, batch: int) -> dict[str, Any]:
    """Step times of one case, in this process."""
    if name.startswith("spikeformers"):
        from spikeformers.kernels.memory import keep_memory

        keep_memory()
    torch.manual_seed(0)
    torch.set_num_threads(2)
    model = CASES[name]().train()
    x, target = torch.rand(batch, 3, 32, 32), torch.arange(batch) % 10
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    times = []
    for _ in range(steps + 2):
        model.zero_grad(set_to_none=True)
        start = time.perf_counter()
        nn.functional.cross_entropy(model(x).mean(0), target).backward()
        times.append(time.perf_counter() - start)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"seconds": times[2:], "first_step": times[0], "peak_mib": peak, "before_mib": before}


def run(rounds: int, steps: int, batch: int) -> dict[str, Any]:
    """All cases in turn, `rounds` times."""
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in CASES}
    notes: dict[str, str] = {}
    for turn in range(rounds):
        for name in CASES:
            if name in notes:
                continue
            sys.stderr.write(f"round {turn + 1} of {rounds}: {name}\n")
            command = [sys.executable, __file__, "--case", name, "--steps", str(steps), "--batch", str(batch)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                notes[name] = (done.stderr.strip().splitlines() or ["failed"])[-1]
                continue
            found[name].append(json.loads(done.stdout.splitlines()[-1]))
    rows = {}
    for name, results in found.items():
        if not results:
            rows[name] = {"note": notes[name]}
            continue
        times = [t for result in results for t in result["seconds"]]
        rows[name] = {
            "median_ms": statistics.median(times) * 1e3,
            "min_ms": min(times) * 1e3,
            "max_ms": max(times) * 1e3,
            "images_per_second": batch / statistics.median(times),
            "peak_mib": statistics.median(r["peak_mib"] for r in results),
            "first_step_s": statistics.median(r["first_step"] for r in results),
        }
    base = rows[BASELINE].get("median_ms")
    for row in rows.values():
        row["speed"] = base / row["median_ms"] if base and "median_ms" in row else None
    return {"what": __doc__.splitlines()[0], "batch": batch, "rows": rows, "machine": machine_card()}


def table(result: dict[str, Any]) -> str:
    """The rows as text."""
    lines = [f"{'':26}{'ms':>8}{'min–max':>16}{'images/s':>10}{'peak MiB':>10}{'first step s':>14}{'speed':>8}"]
    for name, row in result["rows"].items():
        if "note" in row:
            lines.append(f"{name:26}{row['note']}")
            continue
        spread = f"{row['min_ms']:.0f}–{row['max_ms']:.0f}"
        speed = f"{row['speed']:.2f}×" if row["speed"] else "–"
        lines.append(
            f"{name:26}{row['median_ms']:8.0f}{spread:>16}{row['images_per_second']:10.2f}{row['peak_mib']:10.0f}"
            f"{row['first_step_s']:14.1f}{speed:>8}"
        )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run all cases, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--case", choices=sorted(CASES), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args(argv)
    if arguments.case:
        print(json.dumps(measure(arguments.case, arguments.steps, arguments.batch)))
        return 0
    result = run(arguments.rounds, arguments.steps, arguments.batch)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(table(result))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

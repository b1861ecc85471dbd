"""One training step of whole models: ours beside SpikingJelly's own, eager and compiled, and with packed spikes.

    python benchmarks/training.py [--rounds 2] [--steps 5] [--limit 600] [--quick]

Every case runs in processes of its own, in turn, so that no case profits from another's warm memory and peak memory is
each case's own. A step is forward, loss and backward, without the optimizer, which is the same for all. Reported are
the median over all steps of all rounds, the spread, images per second, peak memory, the bytes that autograd keeps for
backward an image (eager cases), and the speed relative to the first case of the group.

All networks have the neurons of their authors (sigmoid surrogate). `--quick` takes one small image, two steps and no
compiler, to see that everything runs; it leaves the record alone. A case that needs more than `--limit` seconds, compilation
included, is recorded as such and not as a time.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peers import spikingjelly
from torch import nn

from spikeformers.engine.machine import machine_card

OUT = Path(__file__).parent / "results" / "training.json"
WARM_UP = 2


@dataclass(frozen=True)
class Case:
    """How one implementation is made and run."""

    build: Callable[[int], nn.Module]
    """From the side of the image."""
    compiled: bool = False
    packed: bool = False


@dataclass(frozen=True)
class Network:
    """One network on one input; the first of its cases is what the others are compared with."""

    batch: int
    side: int
    cases: dict[str, Case]


def ours(name: str) -> Callable[[int], nn.Module]:
    """A model of ours by its registered name; keeps memory, as our command line does."""

    def build(side: int) -> nn.Module:
        import spikeformers
        from spikeformers.kernels.memory import keep_memory

        keep_memory()
        return spikeformers.create_model(name, img_size=side)

    return build


def peer(module: str, name: str) -> Callable[[int], nn.Module]:
    """A model of SpikingJelly's zoo, reset before each step; those that are not for 32×32 take any image."""

    def build(side: int) -> nn.Module:
        package, note = spikingjelly()
        if package is None:
            raise SystemExit(note)
        model: nn.Module = getattr(getattr(package.model, module), name)(T=4)
        reset = package.functional.reset_net
        model.register_forward_pre_hook(lambda module, _: reset(module))
        return model

    return build


def sided(ours_name: str, module: str, peer_name: str) -> dict[str, Case]:
    """Ours and the peer's, eager and compiled."""
    mine, theirs = ours(ours_name), peer(module, peer_name)
    return {
        "SpikingJelly": Case(theirs),
        "SpikingJelly compiled": Case(theirs, compiled=True),
        "spikeformers": Case(mine),
        "spikeformers compiled": Case(mine, compiled=True),
    }


NETWORKS = {
    "Spikformer 4-384": Network(
        4,
        32,
        {
            **sided("spikformer_4_384", "spikformer", "spikformer_cifar10"),
            "spikeformers, packed spikes": Case(ours("spikformer_4_384"), packed=True),
        },
    ),
    "Spike-driven Transformer V1 8-384": Network(
        2, 128, sided("sdt_v1_8_384", "spike_driven_transformer", "sdt_8_384")
    ),
    "QKFormer 10-384": Network(2, 128, sided("qkformer_10_384", "qkformer", "qkformer_10_384")),
    "Spiking VGG-11": Network(
        8,
        32,
        {
            "spikeformers": Case(ours("spiking_vgg_11_cifar10")),
            "spikeformers, packed spikes": Case(ours("spiking_vgg_11_cifar10"), packed=True),
        },
    ),
}


def measure(case: Case, steps: int, batch: int, side: int) -> dict[str, Any]:
    """Step times, peak memory and kept bytes of one case, in this process."""
    from spikeformers.kernels import pack

    torch.manual_seed(0)
    torch.set_num_threads(2)
    eager = case.build(side).train()
    model = torch.compile(eager) if case.compiled else eager
    x, target = torch.rand(batch, 3, side, side), torch.arange(batch) % 10
    before = peak()

    def loss() -> torch.Tensor:
        out = model(x)
        return nn.functional.cross_entropy(out.mean(0) if out.dim() == 3 else out, target)

    times = []
    for _ in range(steps + WARM_UP):
        model.zero_grad(set_to_none=True)
        start = time.perf_counter()
        with pack.saved() if case.packed else nullcontext():
            value = loss()
        value.backward()
        times.append(time.perf_counter() - start)
    found = {"seconds": times[WARM_UP:], "first_step": times[0], "peak_mib": peak(), "before_mib": before}
    found["parameters"] = sum(p.numel() for p in eager.parameters())
    if not case.compiled:
        anyway = [*eager.parameters(), *eager.buffers(), x]
        found["kept_mib"] = pack.kept_bytes(loss, besides=anyway, packed=case.packed) / 2**20 / batch
    return found


def peak() -> float:
    """The most memory that this process has had, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def run(rounds: int, steps: int, quick: bool, limit: int) -> dict[str, Any]:
    """All cases of all networks in turn, `rounds` times."""
    places = [(network, case) for network, entry in NETWORKS.items() for case in entry.cases]
    if quick:
        places = [(network, case) for network, case in places if not NETWORKS[network].cases[case].compiled]
    found: dict[tuple[str, str], list[dict[str, Any]]] = {place: [] for place in places}
    notes: dict[tuple[str, str], str] = {}
    for turn in range(rounds):
        for number, place in enumerate(places, start=1):
            if place in notes:
                continue
            sys.stderr.write(f"round {turn + 1} of {rounds}, case {number} of {len(places)}: {', '.join(place)}\n")
            result = apart(place, steps, quick, limit)
            if isinstance(result, str):
                notes[place] = result
                sys.stderr.write(f"  {result}\n")
            else:
                found[place].append(result)
    networks = {}
    for name, network in NETWORKS.items():
        batch, side = scale(network, quick)
        rows = {
            case: {"note": notes[name, case]} if (name, case) in notes else summary(found[name, case], batch)
            for case in network.cases
            if (name, case) in found
        }
        base = next(iter(rows.values())).get("median_ms")
        for row in rows.values():
            row["speed"] = base / row["median_ms"] if base and "median_ms" in row else None
        networks[name] = {"batch": batch, "side": side, "timesteps": 4, "rows": rows}
    return {"rounds": rounds, "steps": steps, "quick": quick, "networks": networks, "machine": machine_card()}


def scale(network: Network, quick: bool) -> tuple[int, int]:
    """Batch and side of the image."""
    return (1, min(network.side, 64)) if quick else (network.batch, network.side)


def apart(place: tuple[str, str], steps: int, quick: bool, limit: int) -> dict[str, Any] | str:
    """One case in a process of its own: its figures, or why there are none."""
    command = [sys.executable, __file__, "--case", *place, "--steps", str(steps), *(["--quick"] if quick else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit)
    except subprocess.TimeoutExpired:
        return f"not done after {limit} s"
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def summary(results: list[dict[str, Any]], batch: int) -> dict[str, Any]:
    """One row from all rounds of a case."""
    times = [t for result in results for t in result["seconds"]]
    middle = statistics.median(times)
    return {
        "median_ms": middle * 1e3,
        "min_ms": min(times) * 1e3,
        "max_ms": max(times) * 1e3,
        "images_per_second": batch / middle,
        "peak_mib": statistics.median(r["peak_mib"] for r in results),
        "step_mib": statistics.median(r["peak_mib"] - r["before_mib"] for r in results),
        "first_step_s": statistics.median(r["first_step"] for r in results),
        "kept_mib": results[0].get("kept_mib"),
        "parameters": results[0]["parameters"],
    }


def table(result: dict[str, Any]) -> str:
    """The rows as text."""
    lines = []
    for name, network in result["networks"].items():
        lines.append(f"{name}, {network['side']}×{network['side']}, T={network['timesteps']}, batch {network['batch']}")
        lines.append(
            f"{'':28}{'ms':>8}{'min–max':>16}{'images/s':>10}{'peak MiB':>10}{'kept MiB/image':>16}{'first s':>9}{'speed':>8}"
        )
        for case, row in network["rows"].items():
            if "note" in row:
                lines.append(f"{case:28}{row['note']}")
                continue
            spread = f"{row['min_ms']:.0f}–{row['max_ms']:.0f}"
            speed = f"{row['speed']:.2f}×" if row["speed"] else "–"
            kept = f"{row['kept_mib']:.1f}" if row["kept_mib"] else "–"
            lines.append(
                f"{case:28}{row['median_ms']:8.0f}{spread:>16}{row['images_per_second']:10.2f}{row['peak_mib']:10.0f}"
                f"{kept:>16}{row['first_step_s']:9.1f}{speed:>8}"
            )
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run all cases, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--limit", type=int, default=600, help="most seconds of one case")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", nargs=2, metavar=("NETWORK", "CASE"), help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    if arguments.case:
        network = NETWORKS[arguments.case[0]]
        batch, side = scale(network, arguments.quick)
        print(json.dumps(measure(network.cases[arguments.case[1]], arguments.steps, batch, side)))
        return 0
    rounds, steps = (1, 2) if arguments.quick else (arguments.rounds, arguments.steps)
    result = run(rounds, steps, arguments.quick, arguments.limit)
    print(table(result))
    out = arguments.out or (None if arguments.quick else OUT)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

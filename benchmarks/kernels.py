"""The fused LIF scan on [4, 32, 64, 32, 32] float32 against a torch loop, SpikingJelly, and a copy of the same bytes.

    python benchmarks/kernels.py [--rounds 15] [--threads 2] [--shape 4 32 64 32 32]

Before anything is timed, the fused scan is compared with the reference on a part of the input. Cases then take turns,
so that a disturbance of the machine meets all of them alike. Reported are the median, the fastest, and ratios of
medians; `floor` is the time in which the bytes that must move (8 per neuron and step forward, 20 with backward) would
be copied.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from peers import spikingjelly
from torch import Tensor

from spikeformers.engine.machine import machine_card
from spikeformers.kernels.memory import keep_memory
from spikeformers.kernels.scan import scan
from spikeformers.neurons import NEURONS, ScanConfig

OUT = Path(__file__).parent / "results" / "kernels.json"
OURS = {"lif": {}, "lif, sigmoid surrogate": {"surrogate": "sigmoid"}, "plif": {}, "if": {}, "alif": {}}
BYTES = {"forward": 8, "forward+backward": 20}

Call = Callable[[Tensor], Tensor]


def neuron(name: str, backend: str, **fields: Any) -> Call:
    """A registered neuron as a function of x."""
    config = NEURONS.config(name).but(**fields)
    assert isinstance(config, ScanConfig)
    definition = config.definition()
    params = {n: torch.tensor(float(v), requires_grad=True) for n, v in config.parameters().items()}
    return lambda x: scan(definition, x, None, params, keep=False, backend=backend)[0]


def cases() -> Iterator[tuple[str, Call]]:
    """Name and function of everything that is timed."""
    for label, fields in OURS.items():
        yield f"spikeformers {label}", neuron(label.partition(",")[0], "cpu", **fields)
    yield "plain torch loop, lif", neuron("lif", "reference")
    package, note = spikingjelly()
    if package is None:
        sys.stderr.write(note + "\n")
        return
    node = package.neuron.LIFNode(tau=2.0, detach_reset=True, step_mode="m")

    def peer(x: Tensor) -> Tensor:
        node.reset()
        return node(x)

    yield f"{note} LIFNode", peer


def check(call: Call, reference: Call, x: Tensor) -> None:
    """Refuse to time a kernel that is wrong.

    Raises:
        AssertionError: outputs or gradients differ on a part of x; says by how much.
    """
    results = []
    for function in (call, reference):
        part = x[:, :1].detach().clone().requires_grad_()
        y = function(part)
        results.append((y.detach(), torch.autograd.grad(y, part, torch.ones_like(y))[0]))
    for mine, right in zip(*results, strict=True):
        torch.testing.assert_close(mine, right, rtol=1e-4, atol=1e-5)


def measure(functions: dict[str, Call], x: Tensor, rounds: int) -> dict[str, dict[str, list[float]]]:
    """Milliseconds of a copy and of every function, forward and forward+backward, round by round."""
    grad, target = torch.randn_like(x), torch.empty_like(x)
    times: dict[str, dict[str, list[float]]] = {"copy": {"forward": []}}
    times |= {name: {kind: [] for kind in BYTES} for name in functions}
    leaf = x.clone().requires_grad_()

    def both(call: Call) -> None:
        leaf.grad = None
        call(leaf).backward(grad)

    for turn in range(rounds + 1):
        sys.stderr.write(f"round {turn} of {rounds}\n")
        jobs: list[tuple[list[float], Callable[[], Any]]] = [(times["copy"]["forward"], lambda: target.copy_(x))]
        for name, call in functions.items():
            jobs.append((times[name]["forward"], lambda call=call: call(x)))
            jobs.append((times[name]["forward+backward"], lambda call=call: both(call)))
        for samples, job in jobs:
            start = time.perf_counter()
            job()
            if turn:
                samples.append((time.perf_counter() - start) * 1e3)
    return times


def summarize(times: dict[str, dict[str, list[float]]]) -> list[dict[str, Any]]:
    """Medians and ratios, a row for each case and kind."""
    copy = statistics.median(times["copy"]["forward"])
    peer = next((n for n in times if "LIFNode" in n), None)
    rows = []
    for name, kinds in times.items():
        for kind, samples in kinds.items():
            middle = statistics.median(samples)
            row = {
                "case": name,
                "kind": kind,
                "median_ms": middle,
                "fastest_ms": min(samples),
                "slowest_ms": max(samples),
            }
            row["over_floor"] = middle / (copy * BYTES[kind] / BYTES["forward"])
            if peer is not None and name != "copy":
                row["times_spikingjelly"] = statistics.median(times[peer][kind]) / middle
                row["times_spikingjelly_fastest"] = min(times[peer][kind]) / min(samples)
            rows.append(row)
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [
        f"{'case':38}{'kind':18}{'median ms':>10}{'fastest':>9}{'× floor':>9}{'× SpikingJelly':>16}{'(fastest)':>10}"
    ]
    for row in rows:
        ratio, best = row.get("times_spikingjelly"), row.get("times_spikingjelly_fastest")
        tail = f"{ratio:16.2f}{best:10.2f}" if ratio is not None else ""
        lines.append(
            f"{row['case']:38}{row['kind']:18}{row['median_ms']:10.2f}{row['fastest_ms']:9.2f}{row['over_floor']:9.2f}{tail}"
        )
    return "\n".join(lines)


def commit() -> str:
    """The commit that is measured, or nothing outside a checkout."""
    asked = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return asked.stdout.strip()


def main(argv: list[str] | None = None) -> int:
    """Run all cases, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--shape", type=int, nargs="+", default=[4, 32, 64, 32, 32])
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    kept = keep_memory()
    x, functions = torch.randn(arguments.shape), dict(cases())
    check(functions["spikeformers lif"], functions["plain torch loop, lif"], x)
    rows = summarize(measure(functions, x, arguments.rounds))
    result = {
        "shape": arguments.shape,
        "dtype": "float32",
        "rounds": arguments.rounds,
        "keeps_memory": kept,
        "rows": rows,
    }
    result |= {"commit": commit(), "machine": machine_card()}
    print(table(rows))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

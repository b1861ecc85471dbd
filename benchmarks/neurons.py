"""Every neuron given by equations: fused and reference, forward and with backward, beside the same neuron of other libraries.

    python benchmarks/neurons.py [--rounds 5] [--threads 2] [--count 2097152] [--quick]

Input is [4, count] float32. Before a neuron is timed its fused kernel is compared with the reference; one that differs gets
no time, and the program fails. Cases take turns. `floor` is the time in which the bytes that must move (8 per neuron and
step forward, 20 with backward) are copied in the same run. Bytes kept for backward are counted by torch's own hooks; 4 a
neuron and step are the input itself.

Further: time a value with all arrays in the processor's cache, which tells kernels that wait for memory from those that
compute, beside the time of torch's vector functions for the exponentials and the like of the equations alone; time against T
at a constant number of values, time against the number of neurons; and the cost of the first call with an empty cache on
disk, with a filled one, and of a neuron with another constant whose kernel is there already, each in a process of its own.
`--quick` takes small sizes and few neurons, to see that everything runs; it leaves the record alone.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch
from peers import norse, snntorch, spikingjelly
from torch import Tensor

from kernels import BYTES, Call, check, commit, measure, neuron
from spikeformers.engine.machine import machine_card
from spikeformers.kernels.memory import keep_memory
from spikeformers.kernels.pack.kept import kept_bytes
from spikeformers.kernels.scan.cpu.stages import CHAINED, Plan
from spikeformers.neurons import NEURONS, ScanConfig

OUT = Path(__file__).parent / "results" / "neurons.json"
STEPS = 4
SPIKINGJELLY = {
    "if": "IFNode",
    "lif": "LIFNode",
    "plif": "ParametricLIFNode",
    "qif": "QIFNode",
    "eif": "EIFNode",
    "izhikevich": "IzhikevichNode",
    "klif": "KLIFNode",
    "clif": "ComplementaryLIFNode",
    "cuba_lif": "CUBALIFNode",
    "resonate": "RAFNode",
}
"""Our neuron → SpikingJelly's class with the same equations (docs/concepts/peers.md)."""
T_SWEEP, N_SWEEP = (4, 16, 64, 256, 1024), (2**10, 2**13, 2**16, 2**19, 2**21)
SWEPT = ("lif", "izhikevich")
IN_CACHE = 2**17
COLD = {"lif": {"tau": 4.0}, "izhikevich": {"jump": 0.3}, "hodgkin_huxley": {"g_sodium": 115.0}}
"""Neuron → another constant than its default."""


def families() -> list[str]:
    """Neurons that are a recurrence given by equations."""
    return [name for name in NEURONS.families() if isinstance(NEURONS.config(name), ScanConfig)]


def loop(step: Callable[..., Any], state: Callable[[Tensor], Any], spike: int, rest: slice | int) -> Call:
    """A cell of another library over T: `step(x_t, *state)`; which results are the spike and the state."""

    def run(x: Tensor) -> Tensor:
        now, spikes = state(x[0]), []
        for current in x:
            result = step(current, *now)
            spikes.append(result[spike])
            now = result[rest] if isinstance(rest, slice) else (result[rest],)
        return torch.stack(spikes)

    return run


def zeros(state: Callable[..., Any], values: int) -> Callable[[Tensor], tuple[Any]]:
    """The state of a norse cell before the first step, from one step of input."""
    return lambda x: (state(*(torch.zeros_like(x) for _ in range(values))),)


def peers() -> Iterator[tuple[str, str, Call]]:
    """Our neuron, the peer's name for it, and the peer's function."""
    package, note = spikingjelly()
    if package is not None:
        for ours, theirs in SPIKINGJELLY.items():
            node = getattr(package.neuron, theirs)()
            node.step_mode = "m"
            yield ours, f"{note} {theirs}", lambda x, node=node: (node.reset(), node(x))[1]
    else:
        sys.stderr.write(note + "\n")
    package, note = snntorch()
    if package is not None:
        leaky, synaptic = package.Leaky(beta=0.5), package.Synaptic(alpha=0.5, beta=0.75)
        yield "decay_lif", f"{note} Leaky", loop(leaky, lambda x: (torch.zeros_like(x),), 0, 1)
        yield "cuba_lif", f"{note} Synaptic", loop(synaptic, lambda x: (torch.zeros_like(x),) * 2, 0, slice(1, 3))
    else:
        sys.stderr.write(note + "\n")
    package, note = norse()
    if package is not None:
        for ours, part, step, state, values in (
            ("if", "iaf", "iaf_feed_forward_step", "IAFFeedForwardState", 1),
            ("lif", "lif_box", "lif_box_feed_forward_step", "LIFBoxFeedForwardState", 1),
            ("cuba_lif", "lif", "lif_feed_forward_step", "LIFFeedForwardState", 2),
            ("eif", "lif_ex", "lif_ex_feed_forward_step", "LIFExFeedForwardState", 2),
            ("alif", "lsnn", "lsnn_feed_forward_step", "LSNNFeedForwardState", 3),
        ):
            functions = getattr(package, part)
            run = getattr(functions, step)
            if part == "lif":
                run = partial(run, p=functions.LIFParameters())
            yield ours, f"{note} {step}", loop(run, zeros(getattr(functions, state), values), 0, 1)
    else:
        sys.stderr.write(note + "\n")


def kept(call: Call, x: Tensor) -> float:
    """Bytes that autograd keeps for backward for each neuron and step, the input among them."""
    leaf = x.clone().requires_grad_()
    return kept_bytes(lambda: call(leaf)) / x.numel()


def every(x: Tensor, rounds: int, names: list[str]) -> tuple[list[dict[str, Any]], list[str]]:
    """A row for each neuron, implementation and pass, and the neurons whose kernel differs from the reference."""
    functions: dict[str, Call] = {}
    owners: dict[str, str] = {}
    red = []
    small = torch.randn(STEPS, 8, 64)
    for name in names:
        sys.stderr.write(f"compiling and checking {name}\n")
        fused, reference = neuron(name, "cpu"), neuron(name, "reference")
        try:
            check(fused, reference, small)
        except AssertionError as error:
            sys.stderr.write(f"{name} is not timed: {error}\n")
            red.append(name)
            continue
        for label, call in ((f"{name}, fused", fused), (f"{name}, reference", reference)):
            functions[label], owners[label] = call, name
    for ours, label, call in peers():
        if ours in names and ours not in red:
            functions[label], owners[label] = call, ours
    part = x[:, : min(x.shape[1], 4096)]
    bytes_kept = {label: kept(call, part) for label, call in functions.items()}
    times = measure(functions, x, rounds)
    copy = statistics.median(times["copy"]["forward"])
    rows = [{"neuron": "", "case": "copy", "kind": "forward", "median_ms": copy, "over_floor": 1.0}]
    for label, kinds in times.items():
        for kind, samples in kinds.items():
            if label != "copy":
                middle = statistics.median(samples)
                row = {"neuron": owners[label], "case": label, "kind": kind, "median_ms": middle}
                row |= {"fastest_ms": min(samples), "slowest_ms": max(samples)}
                row |= {"over_floor": middle / (copy * BYTES[kind] / BYTES["forward"])}
                row["kept_bytes"] = bytes_kept[label]
                rows.append(row)
    return rows, red


def in_cache(names: list[str], rows: list[dict[str, Any]], count: int, rounds: int) -> list[dict[str, Any]]:
    """Nanoseconds a value of fused kernels on arrays that stay in cache, their share of the time on `count` neurons, and
    the nanoseconds that torch takes there for nothing but the functions (exp, sigmoid, …) that the kernel must evaluate."""
    functions = {name: neuron(name, "cpu") for name in names}
    x = torch.randn(STEPS, min(IN_CACHE, count))
    times = measure(functions, x, 3 * rounds)
    alone = torch_functions(x, 3 * rounds)
    large = {(row["case"], row["kind"]): row["median_ms"] * 1e6 / (STEPS * count) for row in rows}
    found = []
    for name in names:
        for kind, samples in times[name].items():
            nanoseconds = statistics.median(samples) * 1e6 / x.numel()
            share = nanoseconds / large[f"{name}, fused", kind]
            needed = sum(alone[op] for op in evaluated(name, kind))
            found.append({"neuron": name, "kind": kind, "ns": nanoseconds, "share": share, "functions_ns": needed})
    return found


def torch_functions(x: Tensor, rounds: int) -> dict[str, float]:
    """Nanoseconds a value of torch's own vector functions, into memory that is there already."""
    x, out = x.abs() + 0.1, torch.empty_like(x)
    samples: dict[str, list[float]] = {op: [] for op in sorted(CHAINED)}
    for _ in range(rounds):
        for op, seconds in samples.items():
            begin = time.perf_counter()
            getattr(torch, op)(x, out=out)
            seconds.append(time.perf_counter() - begin)
    return {op: statistics.median(seconds) * 1e9 / x.numel() for op, seconds in samples.items()}


def evaluated(name: str, kind: str) -> list[str]:
    """The functions that a kernel evaluates for each value: forward, and with backward once more for the states."""
    config = NEURONS.config(name)
    assert isinstance(config, ScanConfig)
    plan = Plan(config.definition().program)
    stages = plan.forward if kind == "forward" else (*plan.forward, *plan.recompute, *plan.adjoint)
    operations = [plan.program.graph.nodes[node].op for stage in stages for node in stage.nodes]
    return [op for op in operations if op in CHAINED]


def sweep(shapes: list[tuple[int, int]], rounds: int) -> list[dict[str, Any]]:
    """Nanoseconds a neuron and step of a few neurons, fused and in SpikingJelly, over shapes [T, N]."""
    package, note = spikingjelly()
    rows = []
    for steps, count in shapes:
        sys.stderr.write(f"[{steps}, {count}]\n")
        functions = {f"{name}, fused": neuron(name, "cpu") for name in SWEPT}
        functions |= {f"{name}, reference": neuron(name, "reference") for name in SWEPT}
        if package is not None:
            for ours, label, call in peers():
                if ours in SWEPT and note in label:
                    functions[label] = call
        times = measure(functions, torch.randn(steps, count), rounds)
        for label, kinds in times.items():
            for kind, samples in kinds.items():
                nanoseconds = statistics.median(samples) * 1e6 / (steps * count)
                rows.append({"case": label, "kind": kind, "steps": steps, "count": count, "ns": nanoseconds})
    return rows


FIRST = """
import json, sys, time
import torch
from spikeformers.neurons import NEURONS
torch.set_num_threads(1)
begin = time.perf_counter()
module = NEURONS.config(sys.argv[1]).but(**json.loads(sys.argv[2])).build()
module.backend = "cpu"
x = torch.randn(4, 1000, requires_grad=True)
seconds = []
for _ in range(2):
    module(x).sum().backward()
    seconds.append(time.perf_counter() - begin)
    begin = time.perf_counter()
print(*seconds)
"""


def cold(names: list[str]) -> list[dict[str, Any]]:
    """Seconds of the first call (tracing, compiling, forward and backward) without and with kernels on disk, of the next
    call, and of the first with another constant than those on disk."""
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            environment = {**os.environ, "SPIKEFORMERS_CACHE": folder}
            runs = []
            for fields in ({}, {}, COLD[name]):
                command = [sys.executable, "-c", FIRST, name, json.dumps(fields)]
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                runs.append([float(word) for word in done.stdout.split()])
        (empty, _), (filled, again), (other, _) = runs
        sys.stderr.write(f"first call of {name}: {empty:.2f} s, with kernels on disk {filled:.2f} s, {other:.2f} s\n")
        row = {"neuron": name, "empty_cache_s": empty, "filled_cache_s": filled, "next_call_s": again}
        rows.append(row | {"other_constant": COLD[name], "other_constant_s": other})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows as text."""
    lines = [f"{'case':52}{'kind':18}{'median ms':>10}{'× floor':>9}{'kept B':>8}"]
    for row in rows:
        held = f"{row['kept_bytes']:8.1f}" if "kept_bytes" in row else ""
        lines.append(f"{row['case']:52}{row['kind']:18}{row['median_ms']:10.2f}{row['over_floor']:9.2f}{held}")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> int:
    """Run everything, print the table, write the JSON; 1 where a kernel differs from its reference."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=2**21)
    parser.add_argument("--quick", action="store_true", help="small sizes, few neurons, no record")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(argv)
    torch.manual_seed(0)
    torch.set_num_threads(arguments.threads)
    warnings.simplefilter("ignore")  # of the peers
    begin, kept_memory = time.perf_counter(), keep_memory()
    quick = arguments.quick
    count, rounds = (2**12, 2) if quick else (arguments.count, arguments.rounds)
    names = ["if", "lif", "cuba_lif"] if quick else families()
    rows, red = every(torch.randn(STEPS, count), rounds, names)
    cached = in_cache([name for name in names if name not in red], rows, count, rounds)
    values = STEPS * count
    by_steps = sweep([(t, max(1, values // t)) for t in (T_SWEEP[:3] if quick else T_SWEEP)], rounds)
    by_count = sweep([(STEPS, n) for n in (N_SWEEP[:2] if quick else N_SWEEP)], rounds)
    result: dict[str, Any] = {
        "shape": [STEPS, count],
        "dtype": "float32",
        "rounds": rounds,
        "keeps_memory": kept_memory,
    }
    result |= {"rows": rows, "red": red, "in_cache": cached, "by_steps": by_steps, "by_count": by_count}
    result |= {"cold": cold([*COLD][:1] if quick else [*COLD]), "seconds": time.perf_counter() - begin}
    result |= {"commit": commit(), "machine": machine_card()}
    print(table(rows))
    out = arguments.out or (None if quick else OUT)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    return 1 if red else 0


if __name__ == "__main__":
    raise SystemExit(main())

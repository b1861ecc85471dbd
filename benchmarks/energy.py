"""What counting costs: inference of Spikformer 4-384 (32×32, T=4) with and without the energy counter.

    python benchmarks/energy.py [--rounds 11] [--batch 16]

First it is checked that the counter changes no logit. Then plain and counted calls take turns, after one of each that
warms up. Reported are medians and spread of time and of the processor time of all threads, which other programs on the
machine disturb less, and the ratio counted ÷ plain of each turn. The median ratio of processor times is to stay below
1.3; the exit status says whether it does.
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import Tensor, nn

import spikeformers
from spikeformers import energy
from spikeformers.engine.machine import machine_card

OUT = Path(__file__).parent / "results" / "energy.json"
LIMIT = 1.3


def calibrated(batch: int) -> tuple[nn.Module, Tensor]:
    """The model with batch statistics of random images, so that its neurons fire, and a batch."""
    model, x = spikeformers.create_model("spikformer_4_384"), torch.randn(batch, 3, 32, 32)
    with torch.no_grad():
        for _ in range(3):
            model.train()(x)
    return model.eval(), x


def timed(model: nn.Module, x: Tensor, *, counted: bool) -> tuple[float, float, Tensor]:
    """Seconds, processor seconds and logits of one inference."""
    start, used = time.perf_counter(), time.process_time()
    with torch.inference_mode():
        if counted:
            with energy.count(model):
                y = model(x)
        else:
            y = model(x)
    return time.perf_counter() - start, time.process_time() - used, y


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main() -> int:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--out", type=Path, default=OUT, help="where the record is written")
    args = parser.parse_args()
    torch.manual_seed(0)
    model, x = calibrated(args.batch)
    if not torch.equal(timed(model, x, counted=True)[2], timed(model, x, counted=False)[2]):
        raise SystemExit("the counter changed the logits; no speed is reported")
    plain, counted = [], []
    for _ in range(args.rounds):
        plain.append(timed(model, x, counted=False)[:2])
        counted.append(timed(model, x, counted=True)[:2])
    seconds, processor = (spread([c[i] / p[i] for c, p in zip(counted, plain, strict=True)]) for i in (0, 1))
    record = {
        "case": f"spikformer_4_384, batch {args.batch}, T=4, inference",
        "rounds": args.rounds,
        "plain_seconds": spread([p[0] for p in plain]),
        "counted_seconds": spread([c[0] for c in counted]),
        "plain_processor_seconds": spread([p[1] for p in plain]),
        "counted_processor_seconds": spread([c[1] for c in counted]),
        "ratio": processor["median"],
        "ratios": {"seconds": seconds, "processor_seconds": processor},
        "limit": LIMIT,
        "machine": machine_card(),
    }
    args.out.parent.mkdir(exist_ok=True)
    args.out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(
        f"counted ÷ plain: {processor['median']:.2f} of processor time ({processor['min']:.2f} to {processor['max']:.2f}), "
        f"{seconds['median']:.2f} of time ({seconds['min']:.2f} to {seconds['max']:.2f}); limit {LIMIT}"
    )
    return 0 if record["ratio"] < LIMIT else 1


if __name__ == "__main__":
    raise SystemExit(main())

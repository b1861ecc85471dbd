"""What counting costs: inference of Spikformer 4-384 (32×32, T=4) with and without the energy counter.

    python benchmarks/energy.py [--rounds 5] [--batch 8]

Plain and counted calls alternate; first it is checked that the counter changes no logit. Reported are the medians, the
spread, and counted ÷ plain, which is to stay below 1.3. On a machine that others use too, the ratio of the fastest calls
is the one to trust.
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


def timed(model: nn.Module, x: Tensor, *, counted: bool) -> tuple[float, Tensor]:
    """Seconds of one inference, and its logits."""
    start = time.perf_counter()
    with torch.inference_mode():
        if counted:
            with energy.count(model):
                y = model(x)
        else:
            y = model(x)
    return time.perf_counter() - start, y


def main() -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    args = parser.parse_args()
    torch.manual_seed(0)
    model, x = calibrated(args.batch)
    if not torch.equal(timed(model, x, counted=True)[1], timed(model, x, counted=False)[1]):
        raise SystemExit("the counter changed the logits; no speed is reported")
    plain, counted = [], []
    for _ in range(args.rounds):
        plain.append(timed(model, x, counted=False)[0])
        counted.append(timed(model, x, counted=True)[0])
    ratio = statistics.median(counted) / statistics.median(plain)
    record = {
        "case": f"spikformer_4_384, batch {args.batch}, T=4, inference",
        "plain_seconds": {"median": statistics.median(plain), "min": min(plain), "max": max(plain)},
        "counted_seconds": {"median": statistics.median(counted), "min": min(counted), "max": max(counted)},
        "ratio": ratio,
        "ratio_of_minima": min(counted) / min(plain),
        "limit": LIMIT,
        "machine": machine_card(),
    }
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(
        f"plain {statistics.median(plain):.3f} s, counted {statistics.median(counted):.3f} s, ratio {ratio:.2f}, of the fastest {min(counted) / min(plain):.2f}"
    )


if __name__ == "__main__":
    main()

"""The same counts under NeuroBench's metric names and rules."""

from typing import Any

from spikeformers.energy.meter import Meter
from spikeformers.energy.rows import SYNAPTIC, Row


def synaptic_operations(row: Row) -> tuple[float, float]:
    """(MACs, ACs) of a row under NeuroBench's rule.

    Non-zero inputs times fan-out, taps on padding left out; accumulates if all inputs are in {-1, 0, 1}, and
    otherwise, integer spikes too, multiply-accumulates. Products of two activations are invisible to its hooks.
    """
    if row.kind == "product":
        return 0.0, 0.0
    return (0.0, row.events) if row.operand in ("binary", "ternary") else (row.events, 0.0)


def neurobench(meter: Meter) -> dict[str, Any]:
    """NeuroBench's static and workload metrics, per sample.

    Differences: zero weights are not left out of the operations; NeuroBench decides AC or MAC per batch, here a layer
    that ever saw another value counts as MAC.
    """
    rows = [row for row in meter.rows() if row.kind in SYNAPTIC]
    pairs = [synaptic_operations(row) for row in rows]
    firing = list(meter.firing().values())
    neurons = sum(f.neurons for f in firing)
    return {
        **meter.static,
        "ActivationSparsity": 1.0 - sum(f.active * f.neurons for f in firing) / neurons if neurons else 0.0,
        "ActivationSparsityByLayer": {path: 1.0 - f.active for path, f in meter.firing().items()},
        "SynapticOperations": {
            "Effective_MACs": sum(mac for mac, _ in pairs) / meter.samples,
            "Effective_ACs": sum(ac for _, ac in pairs) / meter.samples,
            "Dense": sum(row.synapses for row in rows if row.kind != "product") / meter.samples,
        },
    }


def static_metrics(model: Any) -> dict[str, float]:
    """Footprint in bytes, parameters, and the share of zero weights in weighted layers."""
    tensors = [*model.parameters(), *model.buffers()]
    weights = [p for p in model.parameters() if p.dim() >= 2]
    elements = sum(w.numel() for w in weights)
    zeros = sum(int((w == 0).sum()) for w in weights)
    return {
        "Footprint": float(sum(t.numel() * t.element_size() for t in tensors)),
        "ParameterCount": float(sum(p.numel() for p in model.parameters())),
        "ConnectionSparsity": round(zeros / elements, 4) if elements else 0.0,
    }

r"""Bits that a network moves, by what they are; their price depends on the level of memory they come from.

Per weighted layer with W weights, A inputs and T steps, and per neuron layer with n neurons and s state variables:

$$\text{weights } W b_w\cdot(1\,|\,T)\ \text{or}\ b_w\cdot AC,\quad \text{membranes } 2 s T n b_m,\quad
  \text{spikes } T(A+n)\ \text{bits or}\ \text{events}\cdot\lceil\log_2 A\rceil,\quad \text{partial sums } 2 b_p\cdot AC$$

Residual sums, pools and norms are taken to be fused with their neighbours and move nothing of their own.
"""

import math
from dataclasses import dataclass
from typing import Literal

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.energy.rows import SYNAPTIC, Row

PARTS = ("weights", "inputs", "outputs", "membranes", "partial_sums")
"""What is moved."""


@dataclass(frozen=True, kw_only=True)
class TrafficConfig(Config):
    """Which numbers are moved, how wide, and how often."""

    weight_bits: int = 32
    """Width of a weight."""
    activation_bits: int = 32
    """Width of an analog activation."""
    membrane_bits: int = 32
    """Width of one state variable of a neuron."""
    sum_bits: int = 32
    """Width of a partial sum."""
    weights: Literal["once", "step", "spike"] = "once"
    """Weights are read once per sample, once at every step, or at every accumulate that needs them."""
    spikes: Literal["bits", "events"] = "bits"
    """Spikes move as dense bits, or as addresses of those that fired."""
    membranes: Literal["memory", "local"] = "memory"
    """Membranes are read and written at every step, or stay beside the adder (one layer runs all its steps at once)."""
    sums: Literal["local", "memory"] = "local"
    """Partial sums stay beside the adder, or are read and written at every accumulate."""

    def __post_init__(self) -> None:
        for name in ("weight_bits", "activation_bits", "membrane_bits", "sum_bits"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1 bit")


def traffic(rows: list[Row], steps: int, samples: int, config: TrafficConfig) -> dict[str, float]:
    """Bits moved per sample, by what they are."""
    bits = dict.fromkeys(PARTS, 0.0)
    for row in rows:
        if row.kind in SYNAPTIC:
            bits["weights"] += _weights(row, steps, config) / (1 if config.weights != "spike" else samples)
            bits["inputs"] += _inputs(row, steps, samples, config) / samples
            if config.sums == "memory":
                bits["partial_sums"] += 2 * config.sum_bits * (row.acs + row.macs) / samples
        elif row.kind == "neuron":
            if config.membranes == "memory":
                bits["membranes"] += 2 * row.states * row.outputs * config.membrane_bits / samples
            bits["outputs"] += _moved(row, row.outputs, row.nonzeros, steps, samples, config) / samples
        elif row.kind == "activation":
            bits["outputs"] += row.outputs * config.activation_bits / samples
    return bits


def _weights(row: Row, steps: int, config: TrafficConfig) -> float:
    if config.weights == "spike":
        return (row.acs + row.macs) * config.weight_bits if row.weights else 0.0
    again = steps if config.weights == "step" and row.repeats == 1 else 1
    return row.weights * config.weight_bits * again


def _inputs(row: Row, steps: int, samples: int, config: TrafficConfig) -> float:
    own = _moved(row, row.elements, row.nonzeros, steps, samples, config)
    if row.partner is None:
        return own
    width = 1 if row.partner in ("binary", "ternary") else config.activation_bits
    return own + row.partner_elements * width


def _moved(row: Row, elements: float, nonzeros: float, steps: int, samples: int, config: TrafficConfig) -> float:
    """Bits of a tensor of spikes, or of analog values, of all samples and steps."""
    if row.operand == "analog":
        return elements / row.repeats * config.activation_bits
    value = math.ceil(math.log2(max(row.levels, 1) + 1)) + (row.operand == "ternary")
    if config.spikes == "bits":
        return elements * value
    addresses = max(elements / (steps * samples), 2.0)
    return nonzeros * (math.ceil(math.log2(addresses)) + (value if value > 1 else 0))

"""The spiking model, its ANN twin, and both with fewer bits: one network, priced side by side."""

import math
from dataclasses import dataclass, replace
from typing import Any

from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.memory import TrafficConfig, traffic
from spikeformers.energy.meter import Meter
from spikeformers.energy.pricing import MJ, price
from spikeformers.energy.rows import SYNAPTIC, Row

WIDE = TrafficConfig()
"""Everything in 32 bits."""

SPIKING_8 = TrafficConfig(weight_bits=8, membrane_bits=16, activation_bits=8, sum_bits=16)
"""A spiking network with 8-bit weights and 16-bit membranes."""


@dataclass(frozen=True)
class Variant:
    """One way to run the network, per sample.

    Attributes:
        name: what it is called in reports.
        op_mj: energy of the arithmetic.
        rows, steps, samples: what was counted, for its traffic.
        widths: what it moves, and how wide.
        assumption: in words.
    """

    name: str
    op_mj: float
    rows: list[Row]
    steps: int
    samples: int
    widths: TrafficConfig
    assumption: str

    def bits(self, **changes: Any) -> dict[str, float]:
        """Bits moved per sample by what they are, with some assumptions of `widths` changed."""
        return traffic(self.rows, self.steps, self.samples, self.widths.but(**changes) if changes else self.widths)

    def memory_mj(self, pj_per_bit: float, **changes: Any) -> float:
        """Energy of all traffic at one price per bit."""
        return sum(self.bits(**changes).values()) * pj_per_bit * MJ

    def to_dict(self, levels: dict[str, float]) -> dict[str, Any]:
        """Plain form with the total at every memory level."""
        memory = {level: self.memory_mj(pj) for level, pj in levels.items()}
        return {
            "name": self.name,
            "op_mj": self.op_mj,
            "memory_mj": memory,
            "total_mj": {level: self.op_mj + mj for level, mj in memory.items()},
            "bits": self.bits(),
            "assumption": self.assumption,
        }


def equal_bits(steps: int) -> int:
    """Bits of an activation that tells as many values apart as T binary steps do, ⌈log2(T+1)⌉."""
    return math.ceil(math.log2(steps + 1))


def spiking(meter: Meter, table: PriceTable) -> list[Variant]:
    """The spiking model as it is, and with 8-bit weights where the table prices them."""
    rows, steps, samples = meter.rows(), meter.steps, meter.samples
    found = [
        Variant("SNN fp32", price(rows, table) / samples, rows, steps, samples, WIDE,
                "fp32 weights and membranes; the counts as measured")
    ]  # fmt: skip
    return found + ([spiking_at(meter, table, 8)] if {"int8", "int32"} <= set(table.formats) else [])


def spiking_at(meter: Meter, table: PriceTable, weight_bits: int, spikes: str = "same spikes") -> Variant:
    """The spiking model with weights of at most 8 bits.

    Args:
        meter: counts of the model.
        table: prices.
        weight_bits: of a weight; adders have 8 in any case.
        spikes: whose spikes were counted, in words.

    Raises:
        ConfigError: the table has no prices for int8 or int32.
    """
    rows, samples = meter.rows(), meter.samples
    synapses = price([r for r in rows if r.kind in SYNAPTIC], table, "int8")
    rest = price([r for r in rows if r.kind not in SYNAPTIC], table, "int32")
    widths = SPIKING_8.but(weight_bits=weight_bits)
    said = f"{weight_bits}-bit weights, 8-bit adders, 16-bit membranes (neurons priced as 32-bit integers), {spikes}"
    return Variant(f"SNN w{weight_bits}", (synapses + rest) / samples, rows, meter.steps, samples, widths, said)


def analog(twin: Meter, table: PriceTable, steps: int) -> list[Variant]:
    """The ANN twin in fp32, int8, and in the ⌈log2(T+1)⌉ bits that match the spiking model's T."""
    rows, samples = twin.rows(), twin.samples
    found = [
        Variant("ANN fp32", price(rows, table) / samples, rows, 1, samples, WIDE, "one dense pass, fp32 multiply-adds")
    ]
    if "int8" not in table.formats:
        return found
    eight = TrafficConfig(weight_bits=8, activation_bits=8)
    found.append(
        Variant("ANN int8", price(rows, table, "int8") / samples, rows, 1, samples, eight,
                "8-bit weights and activations, bit-parallel multiply-adds")
    )  # fmt: skip
    bits = equal_bits(steps)
    parallel = analog_at(twin, table, 8, bits)
    said = f"8-bit weights, {bits}-bit activations (⌈log2(T+1)⌉ for T={steps}); a {bits}-bit multiply costs {bits}/8 of an 8-bit one"
    found.append(replace(parallel, assumption=said))
    add, macs = table.price("ac", "int8") or 0.0, sum(r.macs for r in rows)
    serial = (sum(r.macs * bits * share(r) for r in rows) * add * MJ + _other(rows, table)) / samples
    mean = sum(r.macs * share(r) for r in rows) / macs if macs else 0.0
    said = f"the same, one bit at a time: a shift and add for each 1 bit; share of 1 bits {mean:.3f}, measured"
    found.append(replace(parallel, name=f"{parallel.name} bit-serial", op_mj=serial, assumption=said))
    return found


def analog_at(twin: Meter, table: PriceTable, weight_bits: int, activation_bits: int) -> Variant:
    """The ANN twin with weights and activations of at most 8 bits, bit-parallel.

    Raises:
        ConfigError: the table has no prices for int8.
    """
    rows, samples = twin.rows(), twin.samples
    multiply = (table.price("mul", "int8") or 0.0) * weight_bits * activation_bits / 64
    macs = sum(r.macs for r in rows) * (multiply + (table.price("ac", "int8") or 0.0)) * MJ
    widths = TrafficConfig(weight_bits=weight_bits, activation_bits=activation_bits)
    said = (
        f"{weight_bits}-bit weights, {activation_bits}-bit activations; a multiply costs {weight_bits}·{activation_bits}/64 of "
        "an 8-bit one"
    )
    name = f"ANN w{weight_bits}a{activation_bits}"
    return Variant(name, (macs + _other(rows, table)) / samples, rows, 1, samples, widths, said)


def _other(rows: list[Row], table: PriceTable) -> float:
    """What is no multiply-accumulate, with 8-bit integers."""
    return price([Row(row.path, row.kind, primitives=row.primitives) for row in rows], table, "int8")


def share(row: Row) -> float:
    """Share of one-bits in the input of a row; one half where it was not measured."""
    return 0.5 if row.bit_share is None else row.bit_share


ASSUMPTIONS: dict[str, dict[str, str]] = {
    "as given": {},
    "membranes stay beside the adder": {"membranes": "local"},
    "spikes move as events": {"spikes": "events"},
    "weights are read at every step": {"weights": "step"},
    "every spike fetches its weights and partial sums": {"weights": "spike", "sums": "memory", "spikes": "events"},
}
"""What is varied to see whether the verdict depends on it. Changes apply to the spiking side."""


def sensitivity(snn: Variant, ann: Variant, levels: dict[str, float]) -> list[dict[str, Any]]:
    """Who wins, at every memory level and under every assumption; first row: arithmetic alone."""
    base: dict[str, Any] = {"comparison": f"{snn.name} / {ann.name}"}
    cases = [{**base, "assumption": "arithmetic only", "level": None, "snn_mj": snn.op_mj, "ann_mj": ann.op_mj}]
    for level, pj in levels.items():
        other = ann.op_mj + ann.memory_mj(pj)
        for name, changes in ASSUMPTIONS.items():
            own = snn.op_mj + snn.memory_mj(pj, **changes)
            cases.append({**base, "assumption": name, "level": level, "snn_mj": own, "ann_mj": other})
    return [{**case, "snn_wins": case["snn_mj"] < case["ann_mj"]} for case in cases]


def flips(cases: list[dict[str, Any]]) -> list[str]:
    """Sentences on one comparison: what arithmetic alone says, which assumption turns it around, and at which level."""
    first, pair = cases[0], cases[0]["comparison"]
    numbers = f"({first['snn_mj']:.3g} against {first['ann_mj']:.3g} mJ)"
    found = [f"{pair}, arithmetic only: the {_winner(first)} network needs less {numbers}"]
    turned: dict[str, list[str]] = {}
    for case in cases[1:]:
        if case["snn_wins"] != first["snn_wins"]:
            turned.setdefault(case["assumption"], []).append(case["level"])
    for assumption, levels in turned.items():
        found.append(f"{pair}, {assumption}: turned around at {', '.join(levels)}")
    kept = [name for name in dict.fromkeys(case["assumption"] for case in cases[1:]) if name not in turned]
    if kept:
        found.append(f"{pair}: turned around at no level: {'; '.join(kept)}")
    return found


def _winner(case: dict[str, Any]) -> str:
    return "spiking" if case["snn_wins"] else "analog"

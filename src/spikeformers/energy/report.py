"""A spiking model and its ANN twin, counted on the same batches and priced by the same table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.energy.conventions import compare
from spikeformers.energy.count import count
from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.hardware import prices as price_table
from spikeformers.energy.meter import Meter, spread
from spikeformers.energy.rows import Row

_MJ = 1e-9
"""Picojoules → millijoules."""


def operations(row: Row) -> dict[str, float]:
    """All that a row is charged for, by primitive, without zeros."""
    counts = {**row.primitives, "mac": row.macs, "ac": row.acs}
    counts["and"] = row.ands + row.primitives.get("and", 0.0)
    return {name: value for name, value in counts.items() if value}


def row_pj(row: Row, table: PriceTable, number: str = "fp32") -> float:
    """Energy of a row in pJ; operations without a price are left out (see `missing`)."""
    return sum(value * (table.price(name, number) or 0.0) for name, value in operations(row).items())


def missing(rows: list[Row], table: PriceTable, number: str = "fp32") -> dict[str, float]:
    """Operations that the table has no price for → how many."""
    found: dict[str, float] = {}
    for row in rows:
        for name, value in operations(row).items():
            if table.price(name, number) is None:
                found[name] = found.get(name, 0.0) + value
    return found


@dataclass(frozen=True)
class Assessment:
    """Operations and energy of a spiking model and of its ANN twin, per sample.

    Attributes:
        meter: counts of the spiking model.
        twin: counts of the twin, if there was one.
        prices: the table used.
    """

    meter: Meter
    twin: Meter | None
    prices: PriceTable

    @property
    def snn_mj(self) -> float:
        """Energy of the arithmetic per sample, without memory traffic."""
        return sum(row_pj(r, self.prices) for r in self.meter.rows()) / self.meter.samples * _MJ

    @property
    def snn_mj_spread(self) -> float:
        """Standard deviation of `snn_mj` over the batches."""
        return spread(
            [sum(row_pj(r, self.prices) for r in p.rows.values()) / p.samples * _MJ for p in self.meter.passes]
        )

    @property
    def ann_mj(self) -> float | None:
        """The twin's energy per sample, one step, dense multiply-accumulates; None without a twin."""
        if self.twin is None:
            return None
        return sum(row_pj(r, self.prices) for r in self.twin.rows()) / self.twin.samples * _MJ

    def layers(self) -> list[dict[str, Any]]:
        """One entry per row, counts per sample over all steps."""
        twins = {(r.path, r.kind): r for r in self.twin.rows()} if self.twin else {}
        samples, entries = self.meter.samples, []
        for row in self.meter.rows():
            twin = twins.get((row.path, row.kind))
            entries.append(
                {
                    "path": row.path,
                    "kind": row.kind,
                    "input": row.operand if row.partner is None else f"{row.operand} × {row.partner}",
                    "dense_macs": row.dense_macs / samples,
                    "macs": row.macs / samples,
                    "macs_uncached": row.macs * row.repeats / samples,
                    "acs": row.acs / samples,
                    "ands": row.ands / samples,
                    "operations": {name: value / samples for name, value in row.primitives.items()},
                    "folded": {name: value / samples for name, value in row.folded.items()},
                    "acs_by_step": [value / samples for value in row.step_acs],
                    "rate": row.rate,
                    "active": row.active,
                    "spike_driven": row.spike_driven,
                    "snn_mj": row_pj(row, self.prices) / samples * _MJ,
                    "ann_mj": row_pj(twin, self.prices) / self.twin.samples * _MJ if twin and self.twin else None,
                }
            )
        return entries

    def flags(self) -> list[str]:
        """What a reader must know before trusting the numbers."""
        flags = self.meter.flags()
        for name, value in missing(self.meter.rows(), self.prices).items():
            flags.append(
                f"no price for {name!r} in table {self.prices.name!r}: {value / self.meter.samples:.4g} per sample left out"
            )
        return flags

    def assumptions(self) -> list[str]:
        """The rules behind the numbers, in words."""
        cached = [r.path for r in self.meter.rows() if r.repeats > 1]
        return [
            f"prices: {self.prices.name} ({self.prices.source})",
            *self.prices.notes,
            f"T={self.meter.steps}; mean over {self.meter.samples} samples in {len(self.meter.passes)} batches",
            "a spike of value n is n accumulates; zero inputs and taps on padding cost nothing for spikes",
            "multiply-accumulates of analog layers include taps on padding, as for the dense network",
            *(f"{path} sees the same input at every step: computed once" for path in cached),
            "batch norm that follows a weighted layer is folded into its weights and free",
            "neuron updates are charged for every neuron and step, by the neuron's equation",
            "energy of arithmetic only: memory traffic is reported apart",
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything, as plain lists, dicts, numbers and strings."""
        meter = self.meter
        means = {name: meter.per_sample(name) for name in ("dense_macs", "macs", "acs", "ands")}
        return {
            "model": meter.model,
            "steps": meter.steps,
            "samples": meter.samples,
            "batches": len(meter.passes),
            "prices": self.prices.name,
            "snn_mj": self.snn_mj,
            "snn_mj_spread": self.snn_mj_spread,
            "ann_mj": self.ann_mj,
            "synops": meter.synops,
            "counts": {name: {"mean": mean, "spread": sd} for name, (mean, sd) in means.items()},
            "firing_rate": meter.firing_rate,
            "firing": {
                p: {"rate": f.rate, "by_step": f.rates, "active": f.active, "kind": f.kind}
                for p, f in meter.firing().items()
            },
            "layers": self.layers(),
            "conventions": compare(meter.rows(), meter.steps, meter.samples),
            "assumptions": self.assumptions(),
            "flags": self.flags(),
        }

    def table(self) -> list[dict[str, Any]]:
        """Rows of `layers` that cost something, for printing."""
        keys = ("path", "kind", "input", "dense_macs", "macs", "acs", "rate", "snn_mj", "ann_mj")
        return [{k: e[k] for k in keys} for e in self.layers() if e["snn_mj"] or e["ann_mj"] or e["dense_macs"]]


def assess(
    model: nn.Module, twin: nn.Module | None, batches: Iterable[Tensor], *, prices: str | PriceTable = "horowitz_45nm"
) -> Assessment:
    """Count a spiking model and its ANN twin on the same real batches.

    Both run in evaluation mode without gradients, and are put back as they were. Input of several steps
    [T, B, C, H, W] is averaged over T for the twin.

    Args:
        model: the spiking model.
        twin: the same network with ReLU for neurons (`model.config.twin().build()`), or None.
        batches: what the model takes, several batches.
        prices: name of a table, path of a YAML file, or a table.

    Raises:
        ConfigError: there is no batch, or no such table.
    """
    table = price_table(prices)
    held = list(batches)
    if not held:
        raise ConfigError("assess needs at least one batch of real inputs; none was given")
    meter = _run(model, held, None)
    counts = [p.samples for p in meter.passes]
    other = None if twin is None else _run(twin, [_one_step(x) for x in held], counts)
    return Assessment(meter, other, table)


def _one_step(x: Tensor) -> Tensor:
    return x.mean(0, keepdim=True) if x.dim() == 5 else x


def _run(model: nn.Module, batches: list[Tensor], samples: list[int] | None) -> Meter:
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.no_grad(), count(model) as meter:
            for x in batches:
                model(x)
    finally:
        for module, was in training.items():
            module.training = was
    for one, known in zip(meter.passes, samples or [], strict=False):
        one.samples = known
    return meter

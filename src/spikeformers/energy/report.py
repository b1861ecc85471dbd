"""A spiking model and its ANN twin, counted on the same batches and priced by the same table."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.core.mode import evaluating
from spikeformers.energy.attention import associations
from spikeformers.energy.breakeven import break_even
from spikeformers.energy.conventions import compare
from spikeformers.energy.count import count
from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.hardware import prices as price_table
from spikeformers.energy.meter import Meter, spread
from spikeformers.energy.neurobench import neurobench, static_metrics
from spikeformers.energy.pricing import missing, multiplied, price, row_mj
from spikeformers.energy.rows import SYNAPTIC
from spikeformers.energy.variants import Variant, analog, equal_bits, flips, sensitivity, spiking


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
        return price(self.meter.rows(), self.prices) / self.meter.samples

    @property
    def snn_mj_spread(self) -> float:
        """Standard deviation of `snn_mj` over the batches."""
        return spread([price(list(p.rows.values()), self.prices) / p.samples for p in self.meter.passes])

    @property
    def ann_mj(self) -> float | None:
        """The twin's energy per sample, one step, dense multiply-accumulates; None without a twin or a price for it."""
        if self.twin is None or not self._prices_twin:
            return None
        return price(self.twin.rows(), self.prices) / self.twin.samples

    @property
    def _prices_twin(self) -> bool:
        """Whether the table prices what an ANN is made of; the chips' tables do not."""
        return self.prices.price("mac") is not None

    def layers(self) -> list[dict[str, Any]]:
        """One entry per row, counts per sample over all steps."""
        twins = {(r.path, r.kind): r for r in self.twin.rows()} if self.twin and self._prices_twin else {}
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
                    "charged_as_macs": row.macs > 0 or multiplied(row, self.prices),
                    "snn_mj": row_mj(row, self.prices) / samples,
                    "ann_mj": row_mj(twin, self.prices) / self.twin.samples if twin and self.twin else None,
                }
            )
        return entries

    def variants(self) -> list[Variant]:
        """The spiking model and its twin, as they are and with fewer bits."""
        found = spiking(self.meter, self.prices)
        return found + (analog(self.twin, self.prices, self.meter.steps) if self.twin and self._prices_twin else [])

    def sensitivity(self) -> list[dict[str, Any]]:
        """Who needs less at every memory level and under every assumption: fp32 against fp32, and with 8-bit weights
        against the twin in int8 and in the bits that match T."""
        found = {v.name: v for v in self.variants()}
        rivals = [name for name in found if name.startswith("ANN") and name != "ANN fp32"]
        pairs = [("SNN fp32", "ANN fp32"), *(("SNN w8", name) for name in rivals)]
        levels = dict(self.prices.levels)
        return [case for a, b in pairs if a in found and b in found for case in sensitivity(found[a], found[b], levels)]

    def verdict(self) -> list[str]:
        """What arithmetic alone says, and which memory level or assumption turns it around."""
        cases = self.sensitivity()
        pairs = dict.fromkeys(case["comparison"] for case in cases)
        return [s for pair in pairs for s in flips([c for c in cases if c["comparison"] == pair])]

    @property
    def input_rate(self) -> float | None:
        """Unit spikes per input and step of all spike-driven layers, weighted by their operations; None without any.

        It is what stands against the rates of `break_even`.
        """
        driven = [row for row in self.meter.rows() if row.kind in SYNAPTIC and row.spike_driven]
        dense = sum(row.dense_macs for row in driven)
        return sum(row.acs for row in driven) / dense if dense else None

    def break_even(self, steps: Iterable[int] = (1, 2, 4, 6, 8, 12, 16)) -> list[dict[str, Any]]:
        """Rates at which the spiking network and its twin need the same; see `breakeven.break_even`.

        Args:
            steps: values of T; the measured one is added.

        Raises:
            ConfigError: there is no twin to break even with.
        """
        if self.twin is None or not self._prices_twin:
            raise ConfigError("break_even needs the ANN twin and a price for its multiply-accumulates; see `assess`")
        return break_even(self.meter, self.twin, self.prices, steps=sorted({*steps, self.meter.steps}))

    def flags(self) -> list[str]:
        """What a reader must know before trusting the numbers."""
        flags = self.meter.flags()
        for row in self.meter.rows():
            if multiplied(row, self.prices):
                flags.append(
                    f"{row.path}: its inputs are up to {row.levels} unit spikes each; a dense pass of multiply-accumulates is "
                    "cheaper than adding them one by one, and is charged"
                )
        for name, value in missing(self.meter.rows(), self.prices).items():
            flags.append(
                f"no price for {name!r} in table {self.prices.name!r}: "
                f"{value / self.meter.samples:.4g} per sample left out"
            )
        if self.twin is not None and not self._prices_twin:
            flags.append(
                f"table {self.prices.name!r} has no price for multiply-accumulates: the ANN twin cannot be priced"
            )
        return flags

    def assumptions(self) -> list[str]:
        """The rules behind the numbers, in words."""
        cached = [r.path for r in self.meter.rows() if r.repeats > 1]
        return [
            f"prices: {self.prices.name} ({self.prices.source})",
            *self.prices.notes,
            f"T={self.meter.steps}; mean over {self.meter.samples} samples in {len(self.meter.passes)} batches",
            "a pooled mean of spikes is as many spikes as went into it; its factor belongs to the weights",
            "a spike of value n is n accumulates, unless a dense pass of multiply-accumulates is cheaper for the layer; zero inputs and taps on padding cost nothing for spikes",
            "two weighted layers without a neuron between them make the second one analog: fold them first if they can be",
            "multiply-accumulates of analog layers include taps on padding, as for the dense network",
            *(f"{path} sees the same input at every step: computed once" for path in cached),
            "batch norm that follows a weighted layer is folded into its weights and free",
            "neuron updates are charged for every neuron and step, by the neuron's equation",
            "snn_mj and ann_mj are arithmetic alone; memory traffic is under variants, at every level of the table",
            "memory: weights read once per sample, spikes as dense bits, membranes read and written at every step, "
            "partial sums beside the adder; residual sums, pools and norms move nothing of their own",
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
            "input_rate": self.input_rate,
            "firing": {
                path: {"rate": f.rate, "by_step": f.rates, "active": f.active, "kind": f.kind, "neurons": f.neurons}
                for path, f in meter.firing().items()
            },
            "layers": self.layers(),
            "conventions": compare(meter.rows(), meter.steps, meter.samples),
            "levels": dict(self.prices.levels),
            "variants": [v.to_dict(dict(self.prices.levels)) for v in self.variants()],
            "sensitivity": self.sensitivity(),
            "verdict": self.verdict(),
            "break_even": self.break_even() if self.twin and self._prices_twin else [],
            "attention": associations(meter.rows()),
            "neurobench": neurobench(meter),
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
        ConfigError: there is no batch, no such table, or the table lacks a price that is needed and is not partial.
    """
    table = price_table(prices)
    held = list(batches)
    if not held:
        raise ConfigError("assess needs at least one batch of real inputs; none was given")
    meter = _run(model, held)
    meter.static = static_metrics(model)
    if not meter.passes:
        raise ConfigError(f"{type(model).__name__} computed nothing that can be counted on {len(held)} batches")
    refuse_missing(meter, table)
    other = None
    if twin is not None:
        other = _run(twin, [_one_step(x) for x in held], equal_bits(meter.steps))
        for one, spiked in zip(other.passes, meter.passes, strict=True):
            one.samples = spiked.samples
        refuse_missing(other, table)
    return Assessment(meter, other, table)


def refuse_missing(meter: Meter, table: PriceTable) -> None:
    """Refuse a table that cannot price what was counted, unless it is declared partial.

    Raises:
        ConfigError: names the operations, how many there are, and what would help.
    """
    absent = {} if table.partial else missing(meter.rows(), table)
    if absent:
        needs = ", ".join(f"{name} ({value / meter.samples:.3g} per sample)" for name, value in absent.items())
        raise ConfigError(
            f"price table {table.name!r} has no fp32 price for {needs} of {meter.model}; add them under formats.fp32, "
            "or add `partial: true` to leave such operations out (the report then says so)"
        )


def _one_step(x: Tensor) -> Tensor:
    return x.mean(0, keepdim=True) if x.dim() == 5 else x


def _run(model: nn.Module, batches: list[Tensor], bits: int | None = None) -> Meter:
    with evaluating(model), torch.no_grad(), count(model, bits=bits) as meter:
        for x in batches:
            model(x)
    return meter

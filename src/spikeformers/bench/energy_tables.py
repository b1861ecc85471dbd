"""An energy measurement as tables of text, for the command line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from spikeformers.bench import numbers

ARITHMETIC = "arithmetic"
"""What the column without memory is called."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Cells under column names.

    Attributes:
        title: shown above.
        columns: names.
        rows: cells as text.
        right: columns that hold numbers.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Sequence[str] = field(default=())


def tables(measured: Mapping[str, Any]) -> list[Table]:
    """Every table of a measurement (`Measurement.to_dict`), in reading order; what it does not hold is left out."""
    found = [_layers(measured), _conventions(measured)]
    if len(measured["levels"]) > 0:
        found.append(_variants(measured))
    pairs = dict.fromkeys(case["comparison"] for case in measured["sensitivity"])
    found += [who_wins(measured["sensitivity"], pair) for pair in pairs]
    if measured["break_even"] and measured["input_rate"] is not None:
        found.append(_break_even(measured))
    return found


def _layers(measured: Mapping[str, Any]) -> Table:
    rows = [
        (
            row["path"] or "(whole model)",
            row["kind"],
            row["input"] if row["dense_macs"] else "",
            numbers.count(row["macs"]) if row["macs"] else "",
            numbers.count(row["acs"]) if row["acs"] else "",
            numbers.percent(row["rate"]) if row["dense_macs"] and row["spike_driven"] else "",
            numbers.energy(row["snn_mj"]),
            numbers.energy(row["ann_mj"]),
        )
        for row in measured["layers"]
        if row["snn_mj"] or row["ann_mj"] or row["dense_macs"]
    ]
    totals = [numbers.count(sum(row[name] for row in measured["layers"])) for name in ("macs", "acs")]
    spent = (numbers.energy(measured["snn_mj"]), numbers.energy(measured["ann_mj"]))
    rows.append(("all", "", "", totals[0], totals[1], numbers.percent(measured["firing_rate"]), *spent))
    columns = ("layer", "kind", "input", "MAC", "AC", "rate", "spiking", "ANN twin")
    return Table(title="Arithmetic per sample, layer by layer", columns=columns, rows=rows, right=columns[3:])


def _conventions(measured: Mapping[str, Any]) -> Table:
    rows = [(c["name"], numbers.energy(c["mj"]), c["assumption"]) for c in measured["conventions"]]
    title = "The same spikes under every convention in use"
    return Table(title=title, columns=("convention", "energy", "assumes"), rows=rows, right=("energy",))


def _variants(measured: Mapping[str, Any]) -> Table:
    levels = list(measured["levels"])
    rows = [
        (
            row["name"],
            numbers.energy(row["op_mj"]),
            *(numbers.energy(row["total_mj"][level]) for level in levels),
            row["assumption"],
        )
        for row in measured["variants"]
    ]
    columns = ("network", ARITHMETIC, *(f"+ {level}" for level in levels), "means")
    return Table(
        title="With memory, and against quantized twins", columns=columns, rows=rows, right=columns[1 : 2 + len(levels)]
    )


def who_wins(cases: Sequence[Mapping[str, Any]], pair: str) -> Table:
    """Assumptions × memory levels: who needs less, and how many times less.

    Args:
        cases: of `Assessment.sensitivity`.
        pair: which comparison.
    """
    own = [case for case in cases if case["comparison"] == pair]
    levels = list(dict.fromkeys(case["level"] for case in own if case["level"] is not None))
    cells = {(case["assumption"], case["level"]): _winner(case) for case in own}
    names = dict.fromkeys(case["assumption"] for case in own if case["level"] is not None)
    rows = [(name, cells["arithmetic only", None], *(cells[name, level] for level in levels)) for name in names]
    columns = ("assumption", ARITHMETIC, *(f"+ {level}" for level in levels))
    return Table(title=f"{pair}: who needs less", columns=columns, rows=rows or [("", cells["arithmetic only", None])])


def _winner(case: Mapping[str, Any]) -> str:
    low, high = sorted((case["snn_mj"], case["ann_mj"]))
    factor = f"{high / low:.3g}×" if low > 0 else ""
    return f"{'spiking' if case['snn_wins'] else 'analog'} {factor}".strip()


def _break_even(measured: Mapping[str, Any]) -> Table:
    """At the model's own T; other T are in the JSON and in the drawing."""
    own = [row for row in measured["break_even"] if row["steps"] == measured["steps"]]
    pairs = dict.fromkeys((row["snn"], row["ann"]) for row in own)
    levels = [None, *measured["levels"]]
    found = {(row["snn"], row["ann"], row["level"]): row["rate"] for row in own}
    rows = [(f"{snn} / {ann}", *(rate(found[snn, ann, level]) for level in levels)) for snn, ann in pairs]
    columns = ("below this rate spiking needs less", *(ARITHMETIC if lv is None else f"+ {lv}" for lv in levels))
    title = f"Break-even spikes per input and step at T={measured['steps']}; measured {measured['input_rate']:.3g}"
    return Table(title=title, columns=columns, rows=rows, right=columns[1:])


def rate(value: float) -> str:
    """A rate that breaks even, in words where no rate does."""
    if value <= 0.0:
        return "never"
    return "always" if value == float("inf") else f"{value:.3g}"


def machine_lines(measured: Mapping[str, Any]) -> list[str]:
    """What this machine took, in sentences; nothing where it was not asked for."""
    machine = measured.get("machine")
    if machine is None:
        return []
    seconds, batch = machine["seconds"], machine["batch"]
    lines = [
        f"{1e3 * seconds['median'] / batch:.1f} ms per sample in batches of {batch} "
        f"({1e3 * seconds['min'] / batch:.1f} to {1e3 * seconds['max'] / batch:.1f} over {machine['repeats']} runs)",
        f"peak memory of the process {numbers.memory(machine['peak_process_mib'])}",
    ]
    if machine["peak_device_bytes"] is not None:
        lines.append(f"peak memory of the device {numbers.memory(machine['peak_device_bytes'] / 2**20)}")
    if machine["joules"] is None:
        lines.append(f"joules: not measured, {machine['joules_missing']}")
    else:
        drawn = numbers.energy(1e3 * machine["joules"] / batch)
        lines.append(
            f"{drawn} per sample by {machine['joules_source']}; the model says {numbers.energy(measured['snn_mj'])}"
        )
    return lines

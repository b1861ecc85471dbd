"""The report of a run: one HTML file that needs nothing else."""

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from spikeformers.bench import charts, goals, numbers
from spikeformers.bench.energy_tables import who_wins
from spikeformers.bench.record import RunError, RunRecord, read_run
from spikeformers.engine.files import write_text

_NUMBERED_CLASSES = 20
"""Up to this many classes the confusion matrix shows numbers."""
_SMALLEST_SHARE = 1e-3
"""Energy of a layer, as a share of the whole, below which its row is left out."""


def write_report(folder: str | Path) -> Path:
    """Write `report.html` into a run folder, from the files that are in it; the same files give the same bytes.

    Returns:
        The path of the report.

    Raises:
        RunError: a file is missing or broken.
        StorageError: the report cannot be written.
    """
    record = read_run(Path(folder))
    try:
        html = render(record)
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        raise RunError(
            f"the files in {record.folder} do not fit together ({type(error).__name__}: {error}); "
            "were they written by another version or edited?"
        ) from error
    path = record.folder / "report.html"
    write_text(path, html)
    return path


def render(record: RunRecord) -> str:
    """The report as HTML text."""
    import jinja2
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("spikeformers", "bench"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": numbers.percent,
        "count": numbers.count,
        "energy": numbers.energy,
        "breakable": lambda path: Markup(escape(path).replace(".", ".<wbr>").replace("_", "_<wbr>")),
    }
    style = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
    return environment.get_template("report.html").render(
        style=Markup(style),
        title=str(record.config.get("name", record.folder.name)),
        folder=record.folder.name,
        results=record.results,
        verdict=_verdict(record),
        tiles=_tiles(record),
        curves=[Markup(svg) for svg in _curves(record)],
        rates=_rates(record.analysis["firing_rates"]),
        steps=max((len(rates) for rates in record.analysis["firing_rates"].values()), default=0),
        energy=_energy(record.energy),
        memory=_memory(record.energy),
        raster=_raster(record),
        pictures=_pictures(record.analysis.get("pictures", {})),
        confusion=_confusion(record.analysis) if "confusion" in record.analysis else None,
        config=Markup(_highlighted(record.config_text)),
        machine=list(_flat(record.machine)),
    )


def _verdict(record: RunRecord) -> dict[str, str]:
    results, goal = record.results, goals.goal_of(record.results)
    return {
        "share": numbers.percent(results[f"test/{goal}"]),
        "said": goals.said(goal, str(results.get("data", "the test set"))),
        "energy": numbers.energy(results["energy/snn_mj"]),
        "twin": numbers.energy(results["energy/ann_mj"]),
        "ratio": numbers.ratio(results["energy/snn_mj"], results["energy/ann_mj"]),
        "model": str(results.get("model", "the model")),
        "data": str(results.get("data", "the test set")),
    }


def _tiles(record: RunRecord) -> list[tuple[str, str, str]]:
    """(what, how much, in which sense) of the numbers a reader looks for first."""
    r, goal = record.results, goals.goal_of(record.results)
    best = (
        f"best epoch {r['best_epoch'] + 1} of {r['epochs']}"
        if "best_epoch" in r and "epochs" in r
        else "chosen on this split"
    )
    tiles = [
        (f"Test {goals.title(goal)}", numbers.percent(r[f"test/{goal}"], 2), "touched once"),
        (f"Validation {goals.title(goal)}", numbers.percent(r[f"val/{goal}"], 2), best),
        ("Energy", numbers.energy(r["energy/snn_mj"]), "spiking model, per sample"),
        ("Energy of its twin", numbers.energy(r["energy/ann_mj"]), "ANN: ReLU, one step"),
        ("Mean firing rate", numbers.percent(r["firing_rate"]), "spikes per neuron and step"),
        ("Parameters", numbers.count(r["params"]), f"{r['params']:,} exactly"),
        (
            "Time",
            numbers.duration(r["seconds"]),
            f"{r['steps_per_second']:.3g} steps/s" if "steps_per_second" in r else "training",
        ),
    ]
    if "synops" in r:
        tiles.insert(5, ("Synaptic operations", numbers.count(r["synops"]), "AC and MAC, per sample"))
    if "peak_memory_mib" in r:
        tiles.append(("Peak memory", numbers.memory(r["peak_memory_mib"]), "of the process"))
    return tiles


def _curves(record: RunRecord) -> list[str]:
    rows = record.metrics
    epochs = max((row.get("epoch", 0) for row in rows), default=0) + 1
    steps = max((row.get("step", 0) for row in rows), default=0) or 1
    best = record.results.get("best_epoch")
    mark = None if best is None else best + 1.0

    def points(split: str, key: str) -> list[tuple[float, float]]:
        found = {row["step"]: row[key] for row in rows if row.get("split") == split and row.get(key) is not None}
        return [(round(step * epochs / steps, 6), value) for step, value in sorted(found.items())]

    drawings = []
    goal = goals.goal_of(record.results)
    named = ((goal, goals.title(goal).capitalize()), ("loss", "Loss"), ("firing_rate", "Firing rate"))
    for key, title in named:
        series = {split: points(split, key) for split in ("train", "val")}
        if any(series.values()):
            label = f"{title} of the training and validation splits by epoch"
            svg = charts.line_chart(
                series, title=label, percent=key != "loss", whole=key == goal, mark=mark, mark_label="best"
            )
            drawings.append(f"<figure><figcaption>{title}</figcaption>{svg}</figure>")
    return drawings


def _layer(path: str) -> str:
    """A neuron's path without what all of them end in."""
    return path.removesuffix(".neuron") or path


def _rates(firing_rates: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    means = {path: sum(rates) / max(1, len(rates)) for path, rates in firing_rates.items()}
    top = max([*means.values(), 1e-9])
    peak = max([rate for rates in firing_rates.values() for rate in rates] or [1e-9]) or 1e-9
    return [
        {
            "path": _layer(path),
            "mean": means[path],
            "width": f"{100 * means[path] / top:.1f}",
            "steps": [{"rate": rate, "shade": f"{100 * rate / peak:.0f}"} for rate in rates],
        }
        for path, rates in firing_rates.items()
    ]


def _energy(energy: Mapping[str, Any]) -> dict[str, Any]:
    """Rows that matter, with the lengths of their bars."""
    spiking, twin = energy["snn_mj"], energy["ann_mj"] or 0.0
    whole = max(spiking, twin) or 1e-12
    rows = [{**row, "ann_mj": row["ann_mj"] or 0.0, "analog": not row["spike_driven"]} for row in energy["layers"]]
    shown = [row for row in rows if max(row["snn_mj"], row["ann_mj"]) >= _SMALLEST_SHARE * whole]
    top = max([max(row["snn_mj"], row["ann_mj"]) for row in shown] or [0.0]) or 1e-12
    for row in shown:
        row["rate"] = numbers.percent(row["rate"]) if row.get("dense_macs") and not row["analog"] else ""
        row["snn_width"], row["ann_width"] = (f"{100 * row[key] / top:.1f}" for key in ("snn_mj", "ann_mj"))
    conventions = energy["conventions"]
    places = _places([float(row["mj"]) for row in conventions])
    return {
        "snn_mj": spiking,
        "ann_mj": twin,
        "snn_width": f"{100 * spiking / whole:.1f}",
        "ann_width": f"{100 * twin / whole:.1f}",
        "layers": shown,
        "small": len(rows) - len(shown),
        "analog": sum(row["analog"] for row in shown),
        "conventions": [{**row, "place": place} for row, place in zip(conventions, places, strict=True)],
        "flags": [str(line) for line in energy.get("flags", [])],
        "assumptions": [str(line) for line in energy.get("assumptions", [])],
    }


def _memory(energy: Mapping[str, Any]) -> dict[str, Any]:
    """Variants of the network and its twin against levels of memory, and who wins, where the assessment has them."""
    variants, levels = energy.get("variants", []), list(energy.get("levels", {}))
    columns = [[row["op_mj"] for row in variants], *([row["total_mj"][name] for row in variants] for name in levels)]
    least = [min(column, default=0.0) for column in columns]
    cases = energy.get("sensitivity", [])
    return {
        "levels": [name.replace("_", " ") for name in levels],
        "rows": [
            {
                "name": row["name"],
                "assumption": row["assumption"],
                "cells": [
                    {"mj": column[i], "least": column[i] == low} for column, low in zip(columns, least, strict=True)
                ],
            }
            for i, row in enumerate(variants)
        ],
        "wins": [who_wins(cases, pair) for pair in dict.fromkeys(case["comparison"] for case in cases)],
        "verdict": [str(line) for line in energy.get("verdict", [])],
        "break_even": _break_even(energy),
    }


_RIVALS = (
    ("SNN fp32", "ANN fp32", "against the twin in fp32, both in fp32"),
    ("SNN w8", "ANN int8", "8-bit weights, against the twin in int8"),
    ("SNN w8", "ANN w8a", "8-bit weights, against the twin in ⌈log₂(T+1)⌉ bits"),
    ("SNN w8", "bit-serial", "the same, where the twin works bit by bit"),
)
"""Spiking variant, what the name of the twin's variant holds, and both in words."""


def _break_even(energy: Mapping[str, Any]) -> list[dict[str, str]]:
    """A drawing for each pair: the rate that breaks even against T, a curve for each memory level."""
    rows, drawings = energy.get("break_even", []), []
    for snn, ann, said in _RIVALS:
        own = [row for row in rows if row["snn"] == snn and _means(ann, row["ann"])]
        levels = dict.fromkeys(row["level"] for row in own)
        series = [[(row["steps"], row["rate"]) for row in own if row["level"] == level] for level in levels]
        if series:
            title = f"Rate below which the spiking network needs less, against steps T: {said}"
            rate = energy.get("input_rate")
            svg = charts.step_chart(series, title=title, level=rate, level_label="measured rate")
            drawings.append({"said": said, "svg": svg})
    return drawings


def _means(part: str, name: str) -> bool:
    """Whether a variant's name is meant; the one in equal bits is called after its bits."""
    return part in name and ("bit-serial" in part) == ("bit-serial" in name)


def _places(values: Sequence[float]) -> list[str]:
    """Where each value stands between the least and the greatest on a logarithmic axis, in percent."""
    logs = [math.log10(value) if value > 0 else None for value in values]
    known = [value for value in logs if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    return ["" if v is None else f"{100 * (v - low) / (high - low):.1f}" if high > low else "50" for v in logs]


def _raster(record: RunRecord) -> dict[str, Any]:
    shown = record.analysis["raster"]
    named: dict[str, Any] = {"target": None}
    if "classes" in record.analysis:
        target, prediction = (str(record.analysis["classes"][shown[key]]) for key in ("target", "prediction"))
        named = {"target": target, "prediction": prediction, "right": target == prediction}
    panels = [
        {"path": _layer(path), "size": shown["sizes"][path], "fired": sum(map(len, fired)),
         "svg": charts.raster(fired, shown["sizes"][path], title=f"Spikes of {path}: a column per step")}
        for path, fired in shown["layers"].items()
    ]  # fmt: skip
    of_class = f", of class {named['target']}" if named["target"] is not None else ""
    return {
        **named,
        "picture": charts.picture(shown["image"], title=f"The sample shown to the network{of_class}"),
        "panels": panels,
    }


def _pictures(found: Mapping[str, Any]) -> dict[str, Any]:
    """What the task shows of samples, drawn."""
    if not found:
        return {}
    names = [str(name) for name in found["columns"]]
    columns = [
        {"name": name, "images": [charts.bitmap(row[i], title=f"{name}, sample {n + 1}") for n, row in enumerate(found["rows"])]}
        for i, name in enumerate(names)
    ]  # fmt: skip
    return {"title": str(found["title"]), "note": str(found["note"]), "columns": columns}


def _confusion(analysis: Mapping[str, Any]) -> dict[str, Any]:
    matrix, classes = analysis["confusion"], [str(name) for name in analysis["classes"]]
    rows = []
    for i, row in enumerate(matrix):
        total = sum(row)
        cells = [
            {
                "number": n,
                "kind": "right" if i == j else "wrong" if n else "none",
                "shade": f"{100 * (n / (total or 1)) ** 0.5:.0f}",
            }
            for j, n in enumerate(row)
        ]
        rows.append({"name": classes[i], "cells": cells, "recall": row[i] / total if total else float("nan")})
    mistakes = sorted(
        ((n, classes[i], classes[j]) for i, row in enumerate(matrix) for j, n in enumerate(row) if i != j and n),
        key=lambda mistake: (-mistake[0], mistake[1:]),
    )
    return {
        "classes": classes,
        "rows": rows,
        "numbered": len(classes) <= _NUMBERED_CLASSES,
        "heat": charts.heat(matrix, title=f"Confusion matrix of {len(classes)} classes"),
        "mistakes": [{"number": n, "true": true, "said": said} for n, true, said in mistakes[:8]],
        "total": sum(map(sum, matrix)),
        "wrong": sum(n for n, _, _ in mistakes),
    }


def _highlighted(yaml_text: str) -> str:
    """YAML with its keys marked up."""
    key = re.compile(r"^(\s*(?:- )*)([\w/.-]+)(:)", re.MULTILINE)
    return key.sub(r'\1<span class="key">\2</span>\3', escape(yaml_text, quote=False))


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Nested facts as (name, value) lines; what is unknown is left out."""
    lines: list[tuple[str, str]] = []
    for name, value in values.items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, Mapping):
            lines += _flat(value, "" if name == "versions" else f"{label} · ")
        elif isinstance(value, list | tuple):
            lines.append((label, ", ".join(map(str, value)) or "none"))
        elif value is not None:
            lines.append((label, f"{value:g}" if isinstance(value, float) else str(value)))
    return lines

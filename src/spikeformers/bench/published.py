"""Energies printed in papers, checked against the operations of the same networks of ours."""

from typing import Any

import torch

from spikeformers.bench import numbers
from spikeformers.bench.energy_tables import Table
from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.energy.published import (
    PUBLISHED,
    DenseOperations,
    check_published,
    dense_operations,
    explain,
    explain_first,
)
from spikeformers.models.base import MODELS


def check(model: str | None = None, rate: float | None = None) -> dict[str, Any]:
    """Every printed energy of one model, or of all, beside what its operations say. Nothing is run: shapes are enough.

    Args:
        model: a registered name; None takes all that have a printed energy.
        rate: a mean firing rate; adds what the papers' rule gives for it.

    Returns:
        `rows`, one for each printed energy, and `explanations`: how first layers were charged, and why two energies of
        one network differ.

    Raises:
        ConfigError: no energy of this model is known, or the rate is outside [0, 1].
    """
    if rate is not None and not 0.0 <= rate <= 1.0:
        raise ConfigError(f"rate={rate} must lie between 0 and 1")
    names = list(dict.fromkeys(entry.model for entry in PUBLISHED))
    if model is not None and model not in names:
        raise ConfigError(f"no printed energy of {model!r} is known here" + did_you_mean(model, names))
    family = MODELS.config(model).family if model is not None else None
    counted = {n: _operations(n) for n in names if family is None or MODELS.config(n).family == family}
    first = {name: operations.first for name, operations in counted.items()}
    rows, said = [], []
    for name in names if model is None else [model]:
        entries, operations = [entry for entry in PUBLISHED if entry.model == name], counted[name]
        for entry in entries:
            row = check_published(entry, operations)
            rows.append(row if rate is None else {**row, "mj_at_rate": operations.paper_mj(entry.steps, rate)})
        same_family = {n: value for n, value in first.items() if MODELS.config(n).family == MODELS.config(name).family}
        said += filter(None, (explain_first(entry, same_family) for entry in entries))
        said += [explain(entries[0], other, operations) for other in entries[1:]]
    return {"rate": rate, "rows": rows, "explanations": said}


def _operations(model: str) -> DenseOperations:
    entry = next(entry for entry in PUBLISHED if entry.model == model)
    with torch.device("meta"):
        twin = MODELS.config(entry.model).but(img_size=entry.img_size).twin().build()
    return dense_operations(twin, 3, entry.img_size, entry.img_size)


def table(found: dict[str, Any]) -> Table:
    """What `check` returned, as text."""
    columns = [
        "model",
        "printed mJ",
        "T",
        "GMAC per step",
        "of the first layer",
        "rate",
        "G accumulates",
        "first layer charged",
    ]
    if found["rate"] is not None:
        columns.append(f"mJ at rate {found['rate']:g}")
    columns.append("printed in")
    rows = []
    for row in found["rows"]:
        cells = [
            row["model"],
            f"{row['mj']:.2f}",
            str(row["steps"]),
            f"{row['dense_gmacs_per_step']:.2f}",
            f"{row['first_gmacs']:.3f}",
            numbers.percent(row["rate"]) + (" (!)" if row["note"] else ""),
            f"{row['gsops']:.2f} {'printed' if row['gsops_printed'] else 'implied'}",
            numbers.UNKNOWN if row["first_charged"] is None else f"{row['first_charged']:.2f}×",
        ]
        if found["rate"] is not None:
            cells.append(f"{row['mj_at_rate']:.2f}")
        rows.append([*cells, row["source"]])
    title = "Printed energies by the papers' rule: 4.6 pJ × first layer + 0.9 pJ × T × rate × the rest"
    return Table(title=title, columns=columns, rows=rows, right=columns[1:-1])

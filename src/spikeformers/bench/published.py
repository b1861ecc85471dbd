"""Energies printed in papers, checked against the operations of the same networks of ours."""

from typing import Any

import torch

from spikeformers.bench import numbers
from spikeformers.bench.energy_tables import Table
from spikeformers.core.errors import ConfigError, did_you_mean
from spikeformers.energy.published import (
    PUBLISHED,
    DenseOperations,
    Published,
    check_published,
    dense_operations,
    explain,
)
from spikeformers.models.base import MODELS


def check(model: str | None = None, rate: float | None = None) -> dict[str, Any]:
    """Every printed energy of one model, or of all, beside what its operations say. Nothing is run: shapes are enough.

    Args:
        model: a registered name; None takes all that have a printed energy.
        rate: a mean firing rate; adds what the papers' rule gives for it.

    Returns:
        `rows`, one for each printed energy, and `explanations` of energies that differ for the same network.

    Raises:
        ConfigError: no energy of this model is known, or the rate is outside [0, 1].
    """
    if rate is not None and not 0.0 <= rate <= 1.0:
        raise ConfigError(f"rate={rate} must lie between 0 and 1")
    names = list(dict.fromkeys(entry.model for entry in PUBLISHED))
    if model is not None and model not in names:
        raise ConfigError(f"no printed energy of {model!r} is known here" + did_you_mean(model, names))
    rows, said = [], []
    for name in names if model is None else [model]:
        entries = [entry for entry in PUBLISHED if entry.model == name]
        operations = _operations(entries[0])
        for entry in entries:
            row = check_published(entry, operations)
            rows.append(row if rate is None else {**row, "mj_at_rate": operations.paper_mj(entry.steps, rate)})
        said += [explain(entries[0], other, operations) for other in entries[1:]]
    return {"rate": rate, "rows": rows, "explanations": said}


def _operations(entry: Published) -> DenseOperations:
    with torch.device("meta"):
        twin = MODELS.config(entry.model).but(img_size=entry.img_size).twin().build()
    return dense_operations(twin, 3, entry.img_size, entry.img_size)


def table(found: dict[str, Any]) -> Table:
    """What `check` returned, as text."""
    columns = ["model", "printed mJ", "T", "GMAC per step", "first layer", "implied rate", "implied G accumulates"]
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
            numbers.percent(row["implied_rate"]) + (" (!)" if row["note"] else ""),
            f"{row['implied_gsops']:.2f}",
        ]
        if found["rate"] is not None:
            cells.append(f"{row['mj_at_rate']:.2f}")
        rows.append([*cells, row["source"]])
    title = "Printed energies by the papers' rule: 4.6 pJ × first layer + 0.9 pJ × T × rate × the rest"
    return Table(title=title, columns=columns, rows=rows, right=columns[1:-1])

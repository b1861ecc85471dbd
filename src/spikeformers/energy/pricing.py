"""Counts × prices."""

from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.rows import Row

MJ = 1e-9
"""Picojoules → millijoules."""


def operations(row: Row) -> dict[str, float]:
    """All that a row is charged for, by primitive, without zeros."""
    counts = {**row.primitives, "mac": row.macs, "ac": row.acs}
    counts["and"] = row.ands + row.primitives.get("and", 0.0)
    return {name: value for name, value in counts.items() if value}


def row_mj(row: Row, table: PriceTable, number: str = "fp32") -> float:
    """Energy of a row; operations without a price are left out (see `missing`)."""
    return sum(value * (table.price(name, number) or 0.0) for name, value in operations(row).items()) * MJ


def price(rows: list[Row], table: PriceTable, number: str = "fp32") -> float:
    """Energy of rows in mJ."""
    return sum(row_mj(row, table, number) for row in rows)


def missing(rows: list[Row], table: PriceTable, number: str = "fp32") -> dict[str, float]:
    """Operations that the table has no price for → how many."""
    found: dict[str, float] = {}
    for row in rows:
        for name, value in operations(row).items():
            if table.price(name, number) is None:
                found[name] = found.get(name, 0.0) + value
    return found

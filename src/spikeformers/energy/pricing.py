"""Counts × prices."""

from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.rows import SYNAPTIC, Row

MJ = 1e-9
"""Picojoules → millijoules."""


def multiplied(row: Row, table: PriceTable, number: str = "fp32") -> bool:
    """Whether spikes of several units are charged as one dense pass of multiply-accumulates, since that is cheaper.

    A mean over many tokens is hundreds of unit spikes, and no machine would add them one by one.
    """
    add, multiply = table.price("ac", number), table.price("mac", number)
    if row.kind not in SYNAPTIC or row.levels <= 1 or add is None or multiply is None:
        return False
    return row.acs * add > row.dense_macs * multiply


def operations(row: Row, table: PriceTable, number: str = "fp32") -> dict[str, float]:
    """All that a row is charged for at these prices, by primitive, without zeros."""
    counts = {**row.primitives, "mac": row.macs, "ac": row.acs}
    counts["and"] = row.ands + row.primitives.get("and", 0.0)
    if multiplied(row, table, number):
        counts |= {"mac": row.dense_macs, "ac": 0.0, "and": 0.0}
    return {name: value for name, value in counts.items() if value}


def row_mj(row: Row, table: PriceTable, number: str = "fp32") -> float:
    """Energy of a row; operations without a price are left out (see `missing`)."""
    return (
        sum(value * (table.price(name, number) or 0.0) for name, value in operations(row, table, number).items()) * MJ
    )


def price(rows: list[Row], table: PriceTable, number: str = "fp32") -> float:
    """Energy of rows in mJ."""
    return sum(row_mj(row, table, number) for row in rows)


def missing(rows: list[Row], table: PriceTable, number: str = "fp32") -> dict[str, float]:
    """Operations that the table has no price for → how many."""
    found: dict[str, float] = {}
    for row in rows:
        for name, value in operations(row, table, number).items():
            if table.price(name, number) is None:
                found[name] = found.get(name, 0.0) + value
    return found

"""ARFF tables whose columns are numbers or numbered classes. Source: Weka, "Attribute-Relation File Format"."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError


def read_arff(path: Path) -> tuple[list[str], np.ndarray]:
    """Attribute names and the table [rows, attributes].

    Raises:
        DataError: no ARFF table of finite numbers; names the line.
    """
    names: list[str] = []
    rows: list[list[float]] = []
    in_data = False
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, raw in enumerate(lines, start=1):
            line = raw.strip()
            if not line or line.startswith("%"):
                continue
            if in_data:
                rows.append(_row(line, len(names), path, number))
            elif line.upper().startswith("@ATTRIBUTE"):
                names.append(line.split(None, 2)[1].strip("'\""))
            elif line.upper().startswith("@DATA"):
                in_data = True
            elif not line.upper().startswith("@RELATION"):
                raise DataError(f"{path} line {number}: {line[:40]!r} is neither @RELATION, @ATTRIBUTE nor @DATA")
    if not rows:
        raise DataError(f"{path}: no rows after @DATA")
    return names, np.array(rows)


def _row(line: str, count: int, path: Path, number: int) -> list[float]:
    cells = line.split(",")
    if len(cells) != count:
        raise DataError(f"{path} line {number}: {len(cells)} values for {count} attributes")
    try:
        values = [float(cell) for cell in cells]
    except ValueError as error:
        raise DataError(f"{path} line {number}: {error}") from None
    if not np.isfinite(values).all():
        raise DataError(f"{path} line {number}: a value is not finite")
    return values


def write_arff(path: Path, relation: str, names: Sequence[str], table: np.ndarray, kinds: Mapping[str, str]) -> None:
    """Write a table; `kinds` gives the type of attributes that are not NUMERIC."""
    head = [f"@RELATION {relation}", *[f"@ATTRIBUTE {name} {kinds.get(name, 'NUMERIC')}" for name in names], "@DATA"]
    rows = [",".join(f"{value:g}" for value in row) for row in table]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")

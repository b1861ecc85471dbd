"""Time series in `.ts` text files, as the UCR and UEA archives have them.

Lines of `@name value` tell the problem, `@data` starts the cases: one a line, channels parted by colons, values by commas,
the class last. `?` is a missing value. Source: "ts file format", sktime and aeon documentation.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError

FLAGS = ("timestamps", "missing", "univariate", "equallength", "classlabel", "targetlabel")
OTHER = ("problemname", "dimensions", "dimension", "serieslength", "data")


@dataclass(frozen=True)
class SeriesFile:
    """What a `.ts` file holds.

    Attributes:
        problem: its name.
        classes: names of the classes in the order of the header; none for regression and clustering.
        channels: of every case.
        cases: one array [channels, length] each, of any length; missing values are NaN.
        labels: position in `classes` of each case; empty where there are none.
    """

    problem: str
    classes: tuple[str, ...]
    channels: int
    cases: tuple[np.ndarray, ...]
    labels: np.ndarray

    @property
    def longest(self) -> int:
        """Length of the longest case."""
        return max(case.shape[1] for case in self.cases)


def read_ts(path: Path) -> SeriesFile:
    """Everything in a file.

    Raises:
        DataError: another layout, time stamps, values that are no numbers, cases that disagree with the header, no cases;
            names the line.
    """
    header: dict[str, str] = {}
    cases: list[np.ndarray] = []
    labels: list[str] = []
    with path.open(encoding="utf-8", errors="replace") as lines:
        for number, line in _content(lines):
            where = f"{path} line {number}"
            if "data" not in header:
                _header_line(line, header, where)
                continue
            parts = line.split(":")
            if _is_true(header, "classlabel") or _is_true(header, "targetlabel"):
                labels.append(parts.pop().strip())
            cases.append(_case(parts, header, len(cases[0]) if cases else None, where))
            _check_label(labels[-1:], header, where)
    if "data" not in header:
        raise DataError(f"{path}: no line @data; the file is cut off or no .ts file")
    if not cases:
        raise DataError(f"{path}: no cases after @data")
    classes = tuple(header["classlabel"].split()[1:]) if _is_true(header, "classlabel") else ()
    position = {name: index for index, name in enumerate(classes)}
    found = np.array([position[label] for label in labels] if classes else [], np.int64)
    return SeriesFile(header.get("problemname", path.stem), classes, len(cases[0]), tuple(cases), found)


def write_ts(path: Path, problem: str, cases: Sequence[np.ndarray], labels: Sequence[str]) -> None:
    """Write cases [channels, length]; NaN becomes a missing value, the classes are the labels in order."""
    lengths = {case.shape[1] for case in cases}
    missing = any(np.isnan(case).any() for case in cases)
    head = [
        f"@problemName {problem}",
        "@timeStamps false",
        f"@missing {str(missing).lower()}",
        f"@univariate {str(len(cases[0]) == 1).lower()}",
        f"@dimensions {len(cases[0])}",
        f"@equalLength {str(len(lengths) == 1).lower()}",
        *([f"@seriesLength {lengths.pop()}"] if len(lengths) == 1 else []),
        f"@classLabel true {' '.join(sorted(set(labels)))}",
        "@data",
    ]
    rows = [
        ":".join([*[",".join("?" if np.isnan(v) else f"{v:.6g}" for v in row) for row in case], label])
        for case, label in zip(cases, labels, strict=True)
    ]
    path.write_text("\n".join([*head, *rows]) + "\n", encoding="utf-8")


def _content(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for number, raw in enumerate(lines, start=1):
        line = raw.strip().lstrip("\ufeff")
        if line and not line.startswith(("#", "%")):
            yield number, line


def _header_line(line: str, header: dict[str, str], where: str) -> None:
    if not line.startswith("@"):
        raise DataError(f"{where}: {line[:40]!r} stands before @data but is no @name")
    name, _, value = line[1:].partition(" ")
    name, value = name.lower(), value.strip()
    if name not in (*FLAGS, *OTHER):
        raise DataError(f"{where}: @{name} is not known; known are {', '.join('@' + n for n in (*FLAGS, *OTHER))}")
    if name in FLAGS and value.split(" ")[0].lower() not in ("true", "false"):
        raise DataError(f"{where}: @{name} must be true or false, not {value[:40]!r}")
    if name in ("dimensions", "dimension", "serieslength") and not value.isdigit():
        raise DataError(f"{where}: @{name} must be a whole number, not {value[:40]!r}")
    if name == "timestamps" and value.lower() == "true":
        raise DataError(f"{where}: series with time stamps are not read; write evenly spaced values without them")
    if name == "classlabel" and value.lower().startswith("true") and len(value.split()) < 2:
        raise DataError(f"{where}: @classLabel true must be followed by the names of the classes")
    header[name] = value


def _is_true(header: dict[str, str], name: str) -> bool:
    return header.get(name, "").lower().startswith("true")


def _case(parts: list[str], header: dict[str, str], channels: int | None, where: str) -> np.ndarray:
    wanted = header.get("dimensions", header.get("dimension"))
    expected = int(wanted) if wanted else 1 if _is_true(header, "univariate") else channels
    if not parts or (expected is not None and len(parts) != expected):
        raise DataError(f"{where}: {len(parts)} channels where {expected} are needed; the line may be cut off")
    try:
        rows = [[np.nan if cell.strip() == "?" else float(cell) for cell in part.split(",")] for part in parts]
    except ValueError as error:
        raise DataError(f"{where}: {error}") from None
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise DataError(f"{where}: its channels differ in length ({', '.join(str(len(row)) for row in rows)})")
    case = np.array(rows, np.float64)
    length = header.get("serieslength")
    if length is not None and _is_true(header, "equallength") and case.shape[1] != int(length):
        raise DataError(f"{where}: {case.shape[1]} steps where @seriesLength states {length}")
    if np.isinf(case).any():
        raise DataError(f"{where}: a value is infinite")
    if np.isnan(case).any() and header.get("missing", "").lower() == "false":
        raise DataError(f"{where}: a value is missing although @missing is false")
    return case


def _check_label(label: Sequence[str], header: dict[str, str], where: str) -> None:
    if label and _is_true(header, "classlabel") and label[0] not in header["classlabel"].split()[1:]:
        raise DataError(f"{where}: class {label[0][:40]!r} is not one of @classLabel {header['classlabel'][5:]}")

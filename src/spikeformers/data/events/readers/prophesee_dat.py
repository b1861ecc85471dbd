"""Prophesee .dat version 2 (Gen1 detection, N-Cars): text header, 2 bytes event type and size, 8 bytes an event.

Little-endian: 32 bits time in µs; then 14 bits x, 14 bits y, 4 bits polarity, lowest first.
"""

import re
from bisect import bisect_left
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, make_events, text_header, whole_records

SUFFIXES = (".dat",)
STREAMED = True
SIZE = 8
LONGEST_HEADER = 1 << 16
TYPES = (0x00, 0x0C)
"""Event type bytes of 2-D change events."""


@dataclass(frozen=True)
class Head:
    """What stands before the events: where they start, and the sensor where it is stated."""

    start: int
    height: int | None
    width: int | None


def read(path: Path, *, allow_cut: bool = False) -> Recording:
    """All events of a file.

    Raises:
        DataError: not version 2, other events than change events, or cut off.
    """
    words, head = _mapped(path, allow_cut)
    return Recording(_events(words, path), head.height, head.width)


def read_between(path: Path, start: int | None, stop: int | None) -> Recording:
    """Events with start ≤ t < stop in µs (None: from the first, to the last), found by halving; the rest is not read.

    Raises:
        DataError: as `read`, or times near the window do not ascend.
    """
    words, head = _mapped(path, False)
    t = words[:, 0]
    first = 0 if start is None else bisect_left(t, start)  # np.searchsorted would copy the column
    last = len(t) if stop is None else bisect_left(t, stop)
    if (np.diff(t[max(first - 1, 0) : last + 1].astype(np.int64)) < 0).any():
        raise DataError(f"{path}: times do not ascend near event {first}, so a window cannot be cut out; read it whole")
    return Recording(_events(words[first:last], path), head.height, head.width)


def _mapped(path: Path, allow_cut: bool) -> tuple[np.ndarray, Head]:
    """The file's words [n, 2], mapped and not read, and what stands before them."""
    with path.open("rb") as file:
        data = file.read(LONGEST_HEADER)
    head = _head(data, path)
    count = whole_records(path.stat().st_size, head.start, SIZE, path, allow_cut)
    if not count:
        return np.zeros((0, 2), "<u4"), head
    return np.memmap(path, "<u4", "r", head.start, (count, 2)), head


def _head(data: bytes, path: Path) -> Head:
    lines, start = text_header(data, b"% ", path)
    header = "\n".join(lines)
    version = re.search(r"^% Version (\d+)", header, re.MULTILINE)
    if version is None or version[1] != "2":
        found = version[1] if version else "none"
        raise DataError(f"{path}: the header states version {found}; only .dat files of version 2 are known")
    if len(data) < start + 2:
        raise DataError(f"{path}: ends at byte {len(data)}, before the event type and size")
    kind, size = data[start], data[start + 1]
    if kind not in TYPES or size != SIZE:
        raise DataError(
            f"{path}: event type {kind} of {size} bytes at byte {start}; change events have type 0 or 12 and {SIZE} bytes"
        )
    sides = [re.search(rf"^% {name} (\d+)", header, re.MULTILINE) for name in ("Height", "Width")]
    height, width = (int(found[1]) if found else None for found in sides)
    return Head(start + 2, height, width)


def _events(words: np.ndarray, path: Path) -> np.ndarray:
    place = words[:, 1]
    return make_events(place & 0x3FFF, place >> 14 & 0x3FFF, words[:, 0], place >> 28, str(path))


def write(path: Path, events: np.ndarray) -> None:
    """Write events as version 2."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["t"]
    words[:, 1] = (
        events["x"].astype(np.uint32) | events["y"].astype(np.uint32) << 14 | events["p"].astype(np.uint32) << 28
    )
    header = b"% Data file containing Event2D events.\n% Version 2\n"
    path.write_bytes(header + bytes([0, SIZE]) + words.tobytes())

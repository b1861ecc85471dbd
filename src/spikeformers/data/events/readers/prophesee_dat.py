"""Prophesee .dat version 2 (Gen1 detection, N-Cars): text header, 2 bytes event type and size, 8 bytes an event.

Little-endian: 32 bits time in µs; then 14 bits x, 14 bits y, 4 bits polarity, lowest first.
"""

import re
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, make_events, text_header, whole_records

SUFFIXES = (".dat",)
SIZE = 8
TYPES = (0x00, 0x0C)
"""Event type bytes of 2-D change events."""


def read(path: Path) -> Recording:
    """All events of a file.

    Raises:
        DataError: not version 2, other events than change events, or cut off.
    """
    data = path.read_bytes()
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
    start += 2
    words = np.frombuffer(data, "<u4", whole_records(data, start, SIZE, path) * 2, start).reshape(-1, 2)
    place = words[:, 1]
    events = make_events(place & 0x3FFF, place >> 14 & 0x3FFF, words[:, 0], place >> 28, str(path))
    return Recording(events, _size(header, "Height"), _size(header, "Width"))


def _size(header: str, name: str) -> int | None:
    found = re.search(rf"^% {name} (\d+)", header, re.MULTILINE)
    return int(found[1]) if found else None


def write(path: Path, events: np.ndarray) -> None:
    """Write events as version 2."""
    words = np.empty((len(events), 2), "<u4")
    words[:, 0] = events["t"]
    words[:, 1] = (
        events["x"].astype(np.uint32) | events["y"].astype(np.uint32) << 14 | events["p"].astype(np.uint32) << 28
    )
    header = b"% Data file containing Event2D events.\n% Version 2\n"
    path.write_bytes(header + bytes([0, SIZE]) + words.tobytes())

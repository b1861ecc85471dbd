"""Prophesee .raw, formats EVT2 and EVT3: text header, then little-endian words.

EVT2, 32 bits: the top 4 are the type. 0 and 1 are change events of that polarity (6 low bits of time, 11 bits x,
11 bits y); 8 carries the 28 high bits of time.
EVT3, 16 bits: the top 4 are the type. 0 sets y, 2 is an event at x with its polarity, 3 sets the base of a row,
4 and 5 are bit masks of 12 and 8 pixels from that base, 6 and 8 set 12 low and 12 high bits of time.
Source: Prophesee Metavision documentation, "Event-based data formats".
"""

import re
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, make_events, text_header, whole_records

SUFFIXES = (".raw",)
STREAMED = True
TIME_HIGH_2 = 0x8
EVENTS_3 = (0x2, 0x4, 0x5)
KNOWN_2 = (0x0, 0x1, 0x8, 0xA, 0xE, 0xF)


def read(path: Path, *, allow_cut: bool = False) -> Recording:
    """All change events of a file; triggers and other messages are passed over.

    Raises:
        DataError: neither EVT2 nor EVT3, cut off at its end or (events without a time) at its start, or with a word that
            the format does not have.
    """
    data = path.read_bytes()
    lines, start = text_header(data, b"% ", path)
    header = "\n".join(lines)
    version = re.search(r"^% (?:evt|format EVT) ?(\d)", header, re.MULTILINE)
    if version is None or version[1] not in "23":
        raise DataError(f"{path}: the header does not state EVT2 or EVT3 (a line like '% evt 2.0')")
    decode = _evt2 if version[1] == "2" else _evt3
    events = decode(data, start, path, allow_cut)
    size = re.search(r"geometry[ :]+(\d+)x(\d+)", header)
    width, height = (int(size[1]), int(size[2])) if size else _format_size(header)
    return Recording(events, height, width)


def _format_size(header: str) -> tuple[int | None, int | None]:
    found = {name: re.search(rf"[;\s]{name}=(\d+)", header) for name in ("width", "height")}
    width, height = ((int(m[1]) if m else None) for m in (found["width"], found["height"]))
    return width, height


def _evt2(data: bytes, start: int, path: Path, allow_cut: bool) -> np.ndarray:
    words = np.frombuffer(data, "<u4", whole_records(len(data), start, 4, path, allow_cut), start)
    kinds = words >> 28
    wrong = np.flatnonzero(~np.isin(kinds, KNOWN_2))
    if len(wrong):
        raise DataError(f"{path}: word 0x{words[wrong[0]]:08x} at byte {start + 4 * int(wrong[0])} has no EVT2 type")
    is_time, is_event = kinds == TIME_HIGH_2, kinds <= 1
    high = np.where(is_time, words & 0x0FFFFFFF, 0).astype(np.int64)
    stamps = high[is_time]
    wraps = np.cumsum(np.r_[False, np.diff(stamps) < -(1 << 27)]) if len(stamps) else np.zeros(0, np.int64)
    latest = np.cumsum(is_time)[is_event]
    first = np.flatnonzero(is_event)
    if len(latest) and latest[0] == 0 and not allow_cut:
        raise DataError(f"{path}: the event at byte {start + 4 * int(first[0])} comes before any time is set")
    timed = latest > 0
    base = (stamps + (wraps << 28))[latest[timed] - 1]
    found = words[is_event][timed]
    t = base << 6 | (found >> 22 & 0x3F)
    return make_events(found >> 11 & 0x7FF, found & 0x7FF, t, found >> 28, str(path))


def _evt3(data: bytes, start: int, path: Path, allow_cut: bool) -> np.ndarray:
    from spikeformers.data.events.compiled import decode_evt3

    words = np.frombuffer(data, "<u2", whole_records(len(data), start, 2, path, allow_cut), start)
    columns, bad = decode_evt3(words, allow_cut)
    if bad >= 0:
        wrong = "comes before any time is set" if words[bad] >> 12 in EVENTS_3 else "has no EVT3 type"
        raise DataError(f"{path}: word 0x{words[bad]:04x} at byte {start + 2 * bad} {wrong}")
    return make_events(columns[0], columns[1], columns[2], columns[3], str(path))

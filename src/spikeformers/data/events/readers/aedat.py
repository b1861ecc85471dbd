"""AEDAT 2.0, 3.1 and 4.0, told apart by their first line.

2.0 (jAER): text header, then big-endian 32-bit address and 32-bit time in µs. The layout of the address depends on
the sensor; `read_aedat2` takes it, `read` assumes the DVS128.
3.1 (cAER): text header up to #!END-HEADER, then packets of a 28-byte header and 8-byte events, little-endian.
4.0 (DV): see `aedat4`.
Source: inivation, "AEDAT file formats".
"""

import struct
from pathlib import Path
from typing import Literal

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.aedat4 import read_aedat4
from spikeformers.data.events.array import Recording, make_events, text_header, whole_records

SUFFIXES = (".aedat", ".aedat4")
STREAMED = True
PACKET = struct.Struct("<HHIIIIII")
POLARITY = 1
LARGEST_EVENT = 1 << 26
END = "#!END-HEADER"

Sensor = Literal["dvs128", "davis240", "davis346"]


def read(path: Path, *, allow_cut: bool = False) -> Recording:
    """All change events of a file.

    Raises:
        DataError: no AEDAT of a known version, or damaged.
    """
    data = path.read_bytes()
    first = data[:14].decode("latin1").strip()
    if first.startswith("#!AER-DAT4"):
        return read_aedat4(data, path, allow_cut)
    if first.startswith("#!AER-DAT3"):
        return _read_3(data, path, allow_cut)
    if first.startswith("#!AER-DAT2"):
        return read_aedat2(path, "dvs128", allow_cut=allow_cut)
    raise DataError(f"{path}: starts with {first!r} at byte 0, not with '#!AER-DAT' and version 2, 3 or 4")


def read_aedat2(path: Path, sensor: Sensor, *, allow_cut: bool = False) -> Recording:
    """Events of an AEDAT 2.0 file.

    DVS128: bit 0 polarity (1: darker), bits 1-7 x, 8-14 y, both counted from the far corner and swapped, which gives
    the orientation of the authors' own converter (dat2mat.m). DAVIS: bit 11 polarity, 12-21 x, 22-30 y, bit 31 not set.

    Raises:
        DataError: cut off inside an event.
    """
    data = path.read_bytes()
    _, start = text_header(data, b"#", path)
    count = whole_records(len(data), start, 8, path, allow_cut)
    words = np.frombuffer(data, ">u4", count * 2, start).reshape(-1, 2)
    address, t = words[:, 0], words[:, 1].astype(np.int64)
    t = t + (np.cumsum(np.r_[False, np.diff(t) < -(1 << 31)]) << 32 if len(t) else 0)
    if sensor == "dvs128":
        x, y, p = 127 - (address >> 8 & 0x7F), 127 - (address >> 1 & 0x7F), 1 - (address & 1)
        return Recording(make_events(x, y, t, p, str(path)), 128, 128)
    height, width = {"davis240": (180, 240), "davis346": (260, 346)}[sensor]
    kept = (address >> 31 == 0) & (address >> 10 & 1 == 0)
    address, t = address[kept], t[kept]
    events = make_events(address >> 12 & 0x3FF, address >> 22 & 0x1FF, t, address >> 11 & 1, str(path))
    return Recording(events, height, width)


def _read_3(data: bytes, path: Path, allow_cut: bool) -> Recording:
    lines, at = text_header(data, b"#", path)
    if not lines or lines[-1] != END:
        raise DataError(f"{path}: the header does not end with {END} (looked up to byte {at})")
    columns: list[np.ndarray] = []
    while at < len(data):
        if len(data) - at < PACKET.size:
            if allow_cut:
                break
            raise DataError(
                f"{path}: the packet header at byte {at} is cut off ({len(data) - at} of {PACKET.size} bytes)"
            )
        kind, _, size, _, overflow, _, number, _ = PACKET.unpack_from(data, at)
        body = at + PACKET.size
        if size * number > len(data) - body or size > LARGEST_EVENT:
            if allow_cut and kind == POLARITY and size == 8:
                number = (len(data) - body) // size
                columns.append(_polarity(data, body, number, overflow))
                break
            raise DataError(
                f"{path}: the packet at byte {at} announces {number} events of {size} bytes, "
                f"but only {len(data) - body} bytes follow"
            )
        if kind == POLARITY:
            if size != 8:
                raise DataError(f"{path}: the packet at byte {at} has polarity events of {size} bytes; they have 8")
            columns.append(_polarity(data, body, number, overflow))
        at = body + size * number
    found = np.concatenate(columns) if columns else np.zeros((0, 2), np.int64)
    place = found[:, 0]
    return Recording(make_events(place >> 17 & 0x7FFF, place >> 2 & 0x7FFF, found[:, 1], place >> 1 & 1, str(path)))


def _polarity(data: bytes, body: int, number: int, overflow: int) -> np.ndarray:
    """Valid polarity events of a packet as (address, time) [number, 2]."""
    words = np.frombuffer(data, "<u4", number * 2, body).reshape(-1, 2).astype(np.int64)
    words[:, 1] |= overflow << 31
    return words[words[:, 0] & 1 == 1]


def write_dvs128(path: Path, events: np.ndarray) -> None:
    """Write AEDAT 2.0 of a DVS128."""
    place = (127 - events["x"].astype(np.uint32)) << 8 | (127 - events["y"].astype(np.uint32)) << 1
    _write_2(path, place | (1 - events["p"]).astype(np.uint32), events["t"])


def write_davis(path: Path, events: np.ndarray) -> None:
    """Write AEDAT 2.0 of a DAVIS."""
    x, y, p = (events[name].astype(np.uint32) for name in "xyp")
    _write_2(path, y << 22 | x << 12 | p << 11, events["t"])


def _write_2(path: Path, address: np.ndarray, t: np.ndarray) -> None:
    path.write_bytes(b"#!AER-DAT2.0\r\n" + np.stack([address, t.astype(np.uint32)], 1).astype(">u4").tobytes())

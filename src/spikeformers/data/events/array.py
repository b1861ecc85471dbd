"""Events as a structured array, one dtype everywhere: x and y in pixels, t in microseconds ascending, p 0 or 1.

Fields are always taken by name; other libraries order them differently.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError

EVENT = np.dtype([("x", np.int16), ("y", np.int16), ("t", np.int64), ("p", np.int8)])


@dataclass(frozen=True)
class Recording:
    """What a reader gives.

    Attributes:
        events: array of dtype `EVENT`, ordered by time.
        height, width: of the sensor, where the file says so.
    """

    events: np.ndarray
    height: int | None = None
    width: int | None = None


def make_events(x: np.ndarray, y: np.ndarray, t: np.ndarray, p: np.ndarray, origin: str = "events") -> np.ndarray:
    """Events from their columns, whatever the integer or boolean types; ordered by time (stable) if they are not.

    Raises:
        DataError: columns of different length, coordinates that are negative or too large, polarities other than 0, 1.
    """
    sizes = {len(x), len(y), len(t), len(p)}
    if len(sizes) != 1:
        raise DataError(f"{origin}: columns of different length: x {len(x)}, y {len(y)}, t {len(t)}, p {len(p)}")
    for name, column, low, high in (("x", x, 0, 2**15 - 1), ("y", y, 0, 2**15 - 1), ("p", p, 0, 1)):
        if column.dtype == np.bool_:
            continue
        wrong = np.flatnonzero((column < low) | (column > high))
        if len(wrong):
            raise DataError(f"{origin}: event {wrong[0]} has {name}={column[wrong[0]]}, outside {low} … {high}")
    events = np.empty(len(x), EVENT)
    events["x"], events["y"], events["t"], events["p"] = x, y, t, p
    times = events["t"]
    if len(times) and (times[1:] < times[:-1]).any():
        events = events[times.argsort(kind="stable")]
    return events


def as_events(array: np.ndarray, origin: str = "events") -> np.ndarray:
    """Events from any structured array with fields x, y, t, p (tonic's and SpikingJelly's, in any order and type).

    Raises:
        DataError: a field is missing or holds impossible values.
    """
    missing = [name for name in ("x", "y", "t", "p") if name not in (array.dtype.names or ())]
    if missing:
        raise DataError(f"{origin}: a structured array with fields x, y, t, p is needed; {', '.join(missing)} missing")
    return make_events(array["x"], array["y"], array["t"], array["p"], origin)


def check_within(events: np.ndarray, height: int, width: int, origin: str = "events") -> None:
    """Refuse events outside a sensor.

    Raises:
        DataError: names the first one outside.
    """
    for name, size in (("x", width), ("y", height)):
        column = events[name]
        if len(column) and (int(column.max()) >= size or int(column.min()) < 0):
            first = int(np.flatnonzero((column >= size) | (column < 0))[0])
            raise DataError(
                f"{origin}: event {first} has {name}={column[first]}, outside the sensor of {height}×{width}"
            )


def text_header(data: bytes, mark: bytes, path: Path) -> tuple[list[str], int]:
    """Leading text lines that start with `mark`, and the offset behind them.

    Raises:
        DataError: a line does not end.
    """
    lines, at = [], 0
    while data.startswith(mark, at):
        end = data.find(b"\n", at)
        if end < 0:
            raise DataError(f"{path}: the header line at byte {at} does not end; the file is cut off")
        line = data[at:end].rstrip(b"\r")
        if not line.isascii():
            break
        lines.append(line.decode("ascii"))
        at = end + 1
        if line in (b"% end", b"#!END-HEADER"):
            break
    return lines, at


def whole_records(length: int, start: int, size: int, path: Path, allow_cut: bool) -> int:
    """How many whole records of `size` bytes follow `start` in a file of `length` bytes.

    Raises:
        DataError: the last one is cut off, and that is not allowed.
    """
    count, rest = divmod(length - start, size)
    if rest and not allow_cut:
        raise DataError(f"{path}: event {count} at byte {start + count * size} is cut off ({rest} of {size} bytes)")
    return count

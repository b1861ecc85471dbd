"""N-MNIST and N-Caltech101: 5 bytes an event, no header.

Byte 0 is x, byte 1 is y, then big-endian 1 bit polarity and 23 bits time in µs. An entry with y = 240 is no event: it
says that 2^13 µs passed. Source: Orchard et al., Frontiers in Neuroscience 9:437, 2015.
"""

from pathlib import Path

import numpy as np

from spikeformers.data.events.array import Recording, make_events, whole_records

SUFFIXES = (".bin", ".bs2")
STREAMED = True
SIZE = 5
OVERFLOW_Y, OVERFLOW_US = 240, 1 << 13


def read(path: Path, *, allow_cut: bool = False) -> Recording:
    """All events of a file.

    Raises:
        DataError: the file is cut off inside an event.
    """
    data = path.read_bytes()
    count = whole_records(len(data), 0, SIZE, path, allow_cut)
    rows = np.frombuffer(data, np.uint8, count * SIZE).reshape(-1, SIZE).astype(np.int64)
    overflow = rows[:, 1] == OVERFLOW_Y
    t = (rows[:, 2] & 0x7F) << 16 | rows[:, 3] << 8 | rows[:, 4]
    t += np.cumsum(overflow) * OVERFLOW_US
    kept = ~overflow
    return Recording(make_events(rows[kept, 0], rows[kept, 1], t[kept], rows[kept, 2] >> 7, str(path)))


def write(path: Path, events: np.ndarray) -> None:
    """Write events that are over within 2^23 µs."""
    rows = np.empty((len(events), SIZE), np.uint8)
    t = events["t"]
    rows[:, 0], rows[:, 1] = events["x"], events["y"]
    rows[:, 2] = events["p"].astype(np.int64) << 7 | t >> 16
    rows[:, 3], rows[:, 4] = t >> 8 & 0xFF, t & 0xFF
    rows.tofile(path)

"""Event Stream .es version 2, DVS events.

"Event Stream", 3 bytes version, 1 byte type (1: DVS), 16 bits width and height; then per event 7 bits time step in µs
and 1 bit polarity in one byte (time step 127 is no event: even says 127 µs passed, odd is a reset), 16 bits x,
16 bits y. All little-endian. Source: neuromorphic-paris/event_stream.
"""

import struct
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, check_within, make_events

SUFFIXES = (".es",)
STREAMED = True
MAGIC = b"Event Stream"
KINDS = {0: "generic", 1: "dvs", 2: "atis", 4: "color"}


def read(path: Path, *, allow_cut: bool = False) -> Recording:
    """All events of a file.

    Raises:
        DataError: no Event Stream of version 2 with DVS events, cut off, or events outside its sensor.
    """
    data = path.read_bytes()
    if not data.startswith(MAGIC):
        raise DataError(f"{path}: does not start with {MAGIC.decode()!r} at byte 0")
    if len(data) < 16:
        raise DataError(f"{path}: ends at byte {len(data)} inside the header")
    if data[12] != 2:
        raise DataError(f"{path}: version {data[12]}.{data[13]}.{data[14]} at byte 12; only version 2 is known")
    if data[15] != 1:
        kind = KINDS.get(data[15], "unknown")
        raise DataError(
            f"{path}: holds events of type {data[15]} ({kind}) at byte 15; only type 1 (dvs) has x, y and polarity"
        )
    if len(data) < 20:
        raise DataError(f"{path}: ends at byte {len(data)} inside the header")
    width, height = struct.unpack_from("<HH", data, 16)
    from spikeformers.data.events.compiled import decode_es

    columns, cut = decode_es(np.frombuffer(data, np.uint8, offset=20))
    if cut >= 0 and not allow_cut:
        raise DataError(f"{path}: event {len(columns[0])} at byte {20 + cut} is cut off")
    events = make_events(columns[0], columns[1], columns[2], columns[3], str(path))
    check_within(events, height, width, str(path))
    return Recording(events, height, width)

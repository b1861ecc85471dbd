"""AEDAT 4.0 (DV): packets of flatbuffers, plain or compressed with LZ4 or Zstandard.

After the line "#!AER-DAT4.0" comes a size-prefixed flatbuffer "IOHE" with the compression, the place of the table at
the end of the file, and XML that describes the streams. Each packet is a 32-bit stream number, a 32-bit size, and a
frame that decompresses to a size-prefixed flatbuffer; "EVTS" holds 16-byte events (64 bits t, 16 x, 16 y, 1 byte p).
Source: inivation, "AEDAT 4.0"; google/flatbuffers, "FlatBuffer internals".
"""

import struct
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, check_within, make_events
from spikeformers.data.formats.lz4 import decompress_lz4

START = 14
EVENT_LAYOUT = np.dtype([("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "?"), ("_", "V3")])
PLAIN, LZ4, ZSTD = (0,), (1, 2), (3, 4)


def read_aedat4(data: bytes, path: Path, allow_cut: bool) -> Recording:
    """All change events of a file's bytes.

    Args:
        data: the bytes.
        path: where they are from.
        allow_cut: of a file that is cut off, take the packets that are whole.

    Raises:
        DataError: damaged, without an event stream, or compressed with Zstandard and the package is not installed.
    """
    size = _u32(data, START, path)
    header = data[START + 4 : START + 4 + size]
    if len(header) < size or header[4:8] != b"IOHE":
        raise DataError(f"{path}: no complete header (flatbuffer IOHE) at byte {START}")
    try:
        compression = _scalar(header, 0, "<i")
        table_at = _scalar(header, 1, "<q", default=-1)
        streams = _event_streams(_text(header, 2))
    except (struct.error, IndexError, ET.ParseError, UnicodeDecodeError, ValueError) as error:
        raise DataError(f"{path}: the header at byte {START} is damaged: {error}") from None
    if not streams:
        raise DataError(f"{path}: holds no stream of change events (EVTS)")
    at = START + 4 + size
    if table_at > len(data) and not allow_cut:
        raise DataError(
            f"{path}: cut off; the table of packets should lie at byte {table_at}, but the file ends at {len(data)}"
        )
    finished = 0 < table_at <= len(data)
    end = table_at if finished else len(data)
    if finished and not allow_cut:
        _plain(data[end:], compression, path, end)  # a file cut off inside its table is refused too
    stream = min(streams)
    found = [np.zeros(0, EVENT_LAYOUT)]
    while at < end:
        number, length = struct.unpack("<iI", data[at : at + 8]) if at + 8 <= end else (0, end)
        if at + 8 + length > end:
            if allow_cut and not finished:
                break
            raise DataError(f"{path}: the packet at byte {at} is cut off")
        if number == stream:
            found.append(_events(data[at + 8 : at + 8 + length], compression, path, at + 8))
        at += 8 + length
    rows = np.concatenate(found)
    height, width = streams[stream]
    events = make_events(rows["x"], rows["y"], rows["t"], rows["p"], str(path))
    if height and width:
        check_within(events, height, width, str(path))
    return Recording(events, height, width)


def _events(packet: bytes, compression: int, path: Path, offset: int) -> np.ndarray:
    plain = _plain(packet, compression, path, offset)
    try:
        size = struct.unpack_from("<I", plain)[0]
        body = plain[4 : 4 + size]
        if len(body) < size or body[4:8] != b"EVTS":
            raise ValueError("no complete flatbuffer EVTS")
        place = _field(body, 0)
        if place is None:
            return np.zeros(0, EVENT_LAYOUT)
        start = place + struct.unpack_from("<I", body, place)[0]
        count = struct.unpack_from("<I", body, start)[0]
        return np.frombuffer(body, EVENT_LAYOUT, count, start + 4)
    except (struct.error, ValueError, IndexError) as error:
        raise DataError(f"{path}: the packet at byte {offset} is damaged: {error}") from None


def _plain(packet: bytes, compression: int, path: Path, offset: int) -> bytes:
    try:
        if compression in LZ4:
            return decompress_lz4(packet)
        if compression in ZSTD:
            return _zstandard(packet)
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: the packet at byte {offset} is damaged: {error}") from None
    if compression not in PLAIN:
        raise DataError(f"{path}: compression {compression} in the header at byte {START} is not known")
    return packet


def _zstandard(packet: bytes) -> bytes:
    try:
        import zstandard
    except ImportError:
        raise DataError(
            "this AEDAT4 file is compressed with Zstandard; install the extra: pip install 'spikeformers[events]'"
        ) from None
    try:
        plain: bytes = zstandard.ZstdDecompressor().decompressobj().decompress(packet)
    except zstandard.ZstdError as error:
        raise ValueError(str(error)) from None
    return plain


def _event_streams(xml: str) -> dict[int, tuple[int | None, int | None]]:
    """Stream number → (height, width) of every stream of change events."""
    streams: dict[int, tuple[int | None, int | None]] = {}
    for node in ET.fromstring(xml).iterfind("./node/node"):
        attributes = {a.get("key"): a.text for a in node.iterfind("attr")}
        if attributes.get("typeIdentifier") == "EVTS":
            info = {a.get("key"): a.text for a in node.iterfind("node/attr")}
            sizes = [int(value) if value else None for value in (info.get("sizeY"), info.get("sizeX"))]
            streams[int(node.get("name", ""))] = (sizes[0], sizes[1])
    return streams


def _u32(data: bytes, at: int, path: Path) -> int:
    if len(data) < at + 4:
        raise DataError(f"{path}: ends at byte {len(data)} inside the header")
    value: int = struct.unpack_from("<I", data, at)[0]
    return value


def _field(buffer: bytes, index: int) -> int | None:
    """Where a field of a flatbuffer's root table stands; None if it has its default."""
    root = struct.unpack_from("<I", buffer)[0]
    vtable = root - struct.unpack_from("<i", buffer, root)[0]
    if vtable < 0 or 4 + 2 * index >= struct.unpack_from("<H", buffer, vtable)[0]:
        return None
    offset: int = struct.unpack_from("<H", buffer, vtable + 4 + 2 * index)[0]
    return root + offset if offset else None


def _scalar(buffer: bytes, index: int, layout: str, default: int = 0) -> int:
    place = _field(buffer, index)
    return default if place is None else int(struct.unpack_from(layout, buffer, place)[0])


def _text(buffer: bytes, index: int) -> str:
    place = _field(buffer, index)
    if place is None:
        raise ValueError("no description of the streams")
    start = place + struct.unpack_from("<I", buffer, place)[0]
    length = struct.unpack_from("<I", buffer, start)[0]
    return buffer[start + 4 : start + 4 + length].decode("utf-8")


def write_aedat4(events: np.ndarray, height: int, width: int) -> bytes:
    """A file of one packet of events, not compressed and without a table of packets."""
    xml = (
        '<dv version="2.0"><node name="outInfo" path="/outInfo/"><node name="0" path="/outInfo/0/">'
        '<attr key="typeIdentifier" type="string">EVTS</attr><node name="info" path="/outInfo/0/info/">'
        f'<attr key="sizeX" type="int">{width}</attr><attr key="sizeY" type="int">{height}</attr>'
        "</node></node></node></dv>"
    ).encode()
    # A flatbuffer: place of the table, name, list of field places, padding, the table (distance to that list, fields).
    head = struct.pack("<I4sHHHHH2xiqiI", 20, b"IOHE", 10, 20, 12, 4, 16, 12, -1, 0, 4)
    head += struct.pack("<I", len(xml)) + xml + b"\0"
    rows = np.zeros(len(events), EVENT_LAYOUT)
    for name in "txyp":
        rows[name] = events[name]
    body = struct.pack("<I4sHHH2xiI4xI", 16, b"EVTS", 6, 8, 4, 8, 8, len(rows)) + rows.tobytes()
    packet = struct.pack("<I", len(body)) + body
    return b"#!AER-DAT4.0\r\n" + struct.pack("<I", len(head)) + head + struct.pack("<iI", 0, len(packet)) + packet

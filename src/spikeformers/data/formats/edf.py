"""EDF and BDF: signals in records of equal duration, 16 or 24 bits a value, with annotations in the + forms.

A header of 256 bytes and 256 more a signal, all ASCII, then the records; in each the samples of the first signal, of the
second, and so on, little endian. Sources: Kemp et al., Electroencephalography and Clinical Neurophysiology 82, 1992; Kemp &
Olivan, Clinical Neurophysiology 114, 2003 (EDF+); BioSemi, "Which file format does BioSemi use" (BDF).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError

ENDINGS = (".edf", ".bdf")
BLOCK = 256
MAGIC = {b"0       ": 2, b"\xffBIOSEMI": 3}
"""First 8 bytes → bytes of a value."""
NOTES = ("EDF Annotations", "BDF Annotations")
HEAD = (8, 80, 80, 8, 8, 8, 44, 8, 8, 4)
"""Widths of the first 256 bytes: version, patient, recording, date, time, length of the header, kind, number and duration of
records, number of signals."""
FIELDS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
"""Widths of a signal's fields: label, transducer, unit, physical and digital limits, filters, samples a record, reserved."""


@dataclass(frozen=True)
class Channel:
    """One signal of a file.

    Attributes:
        label, unit: as the header has them.
        physical, digital: the two values that the lowest and the highest whole number stand for, and these numbers.
        samples: values in a record.
        start: first byte in a record.
    """

    label: str
    unit: str
    physical: tuple[float, float]
    digital: tuple[int, int]
    samples: int
    start: int


@dataclass(frozen=True)
class Annotation:
    """A remark at a time: seconds from the first sample, duration in seconds (0 where none is told), text."""

    onset: float
    duration: float
    text: str


@dataclass(frozen=True)
class EDFFile:
    """A file whose header has been read; values are read when asked for.

    Attributes:
        path: the file.
        width: bytes of a value, 2 (EDF) or 3 (BDF).
        records, seconds: how many records there are, and the duration of each.
        channels: signals, without those that hold annotations.
        notes: the signals that hold annotations.
        size: bytes of a record.
        continuous: whether the records follow each other without gaps.
    """

    path: Path
    width: int
    records: int
    seconds: float
    channels: tuple[Channel, ...]
    notes: tuple[Channel, ...]
    size: int
    continuous: bool

    def rate(self, channel: Channel) -> float:
        """Samples of a channel per second."""
        return channel.samples / self.seconds

    def channel(self, label: str) -> Channel:
        """The first channel with this label.

        Raises:
            DataError: there is none.
        """
        for channel in self.channels:
            if channel.label == label:
                return channel
        raise DataError(f"{self.path}: no channel {label!r}; it has {', '.join(c.label for c in self.channels)}")

    def values(self, channel: Channel) -> np.ndarray:
        """All values of a channel in its unit, float32."""
        raw = self._bytes(channel)
        if self.width == 2:
            whole = raw.view("<i2").ravel().astype(np.float64)
        else:  # into the upper three bytes of 32 bits, so that the sign comes along
            wide = np.zeros((raw.size // 3, 4), np.uint8)
            wide[:, 1:] = raw.reshape(-1, 3)
            whole = (wide.view("<i4")[:, 0] >> 8).astype(np.float64)
        (low, high), (first, last) = channel.physical, channel.digital
        scaled: np.ndarray = ((whole - first) * ((high - low) / (last - first)) + low).astype(np.float32)
        return scaled

    def annotations(self) -> list[Annotation]:
        """All remarks in order of time.

        Raises:
            DataError: a list of remarks is damaged; names the record.
        """
        found: list[Annotation] = []
        origin: float | None = None
        for channel in self.notes:
            for record, data in enumerate(self._bytes(channel)):
                for entry in filter(None, data.tobytes().split(b"\0")):
                    onset, duration, texts = _remark(entry, f"{self.path} record {record}")
                    origin = onset if origin is None else origin  # the first tells when the first sample was taken
                    found += [Annotation(onset - origin, duration, text) for text in texts if text]
        return sorted(found, key=lambda remark: remark.onset)

    def _bytes(self, channel: Channel) -> np.ndarray:
        first = BLOCK * (1 + len(self.channels) + len(self.notes))
        table = np.memmap(self.path, np.uint8, "r", offset=first, shape=(self.records, self.size))
        return np.ascontiguousarray(table[:, channel.start : channel.start + channel.samples * self.width])


def read_edf(path: Path) -> EDFFile:
    """The header of a file, checked against its size.

    Raises:
        DataError: no EDF or BDF file, a field that cannot be, no samples, or cut off; names the byte.
    """
    with path.open("rb") as file:
        head = file.read(BLOCK)
        if len(head) < BLOCK or head[:8] not in MAGIC:
            raise DataError(
                f"{path} ({path.stat().st_size} bytes): no EDF or BDF file; it must start with 0 or BIOSEMI"
            )
        width = MAGIC[head[:8]]
        count = _whole(head, 252, 4, "number of signals", path)
        if count < 1:
            raise DataError(f"{path}: the header at byte 252 states {count} signals; at least 1 is needed")
        table = file.read(BLOCK * count)
    if len(table) < BLOCK * count:
        raise DataError(f"{path}: the header is cut off at byte {BLOCK + len(table)} ({count} signals are announced)")
    if (stated := _whole(head, 184, 8, "length of the header", path)) != BLOCK * (1 + count):
        raise DataError(
            f"{path}: the header at byte 184 states its length as {stated}, but {count} signals need {BLOCK * (1 + count)}"
        )
    everything = _channels(table, count, width, path)
    size = sum(channel.samples for channel in everything) * width
    seconds = _number(head, 244, 8, "duration of a record", path)
    known = tuple(channel for channel in everything if channel.label not in NOTES)
    if seconds <= 0 and known:
        raise DataError(f"{path}: the header at byte 244 states records of {seconds:g} s; a signal needs some time")
    return EDFFile(
        path=path,
        width=width,
        records=_records(path, _whole(head, 236, 8, "number of records", path), BLOCK * (1 + count), size),
        seconds=seconds,
        channels=known,
        notes=tuple(channel for channel in everything if channel.label in NOTES),
        size=size,
        continuous=not head[192:197].decode("ascii", "replace").endswith("+D"),
    )


def _records(path: Path, stated: int, first: int, size: int) -> int:
    have, rest = divmod(path.stat().st_size - first, size)
    count = have if stated == -1 else stated  # -1: the recorder was stopped before it wrote how many there are
    if count < 1:
        raise DataError(f"{path}: holds no records; the recording is empty")
    if have < count or (stated == -1 and rest):
        raise DataError(
            f"{path}: record {have} at byte {first + have * size} is cut off ({rest} of {size} bytes; "
            f"{'an unknown number of' if stated == -1 else count} records are announced)"
        )
    return count


def _channels(table: bytes, count: int, width: int, path: Path) -> list[Channel]:
    columns, at = [], 0
    for field in FIELDS:
        columns.append([at + i * field for i in range(count)])
        at += field * count
    found, start = [], 0
    for i in range(count):
        label, unit = (table[columns[c][i] :][: FIELDS[c]].decode("latin-1").strip() for c in (0, 2))
        low, high = (_number(table, columns[c][i], 8, f"physical limit of {label!r}", path, BLOCK) for c in (3, 4))
        first, last = (_whole(table, columns[c][i], 8, f"digital limit of {label!r}", path, BLOCK) for c in (5, 6))
        samples = _whole(table, columns[8][i], 8, f"samples a record of {label!r}", path, BLOCK)
        if samples < 1 or first >= last or low == high:
            raise DataError(
                f"{path}: signal {i} ({label!r}) has {samples} samples a record, digital limits {first} … {last} and physical "
                f"limits {low:g} … {high:g}, which cannot be"
            )
        found.append(Channel(label, unit, (low, high), (first, last), samples, start))
        start += samples * width
    return found


def _number(data: bytes, at: int, size: int, what: str, path: Path, base: int = 0) -> float:
    text = data[at : at + size].decode("latin-1").strip()
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value):
        raise DataError(f"{path}: the {what} at byte {base + at} is {text!r}, not a number")
    return value


def _whole(data: bytes, at: int, size: int, what: str, path: Path, base: int = 0) -> int:
    value = _number(data, at, size, what, path, base)
    if value != int(value):
        raise DataError(f"{path}: the {what} at byte {base + at} is {value:g}, not a whole number")
    return int(value)


def _remark(entry: bytes, where: str) -> tuple[float, float, list[str]]:
    """Onset, duration and texts of `+onset[0x15 duration]0x14 text 0x14 … 0x14`."""
    head, *texts = entry.split(b"\x14")
    onset, _, duration = head.partition(b"\x15")
    try:
        times = float(onset), float(duration or 0)
    except ValueError:
        raise DataError(f"{where}: a list of annotations is damaged: {entry[:40]!r}") from None
    return *times, [text.decode("utf-8", "replace") for text in texts]


def write_edf(
    path: Path,
    signals: Mapping[str, np.ndarray],
    rate: int,
    *,
    unit: str = "uV",
    limit: float = 500.0,
    annotations: Sequence[Annotation] = (),
) -> None:
    """Write signals [N] as continuous EDF+ in records of one second (what is left over is dropped).

    Args:
        path: the file.
        signals: label → values between -limit and limit.
        rate: samples per second of all.
        unit, limit: physical unit and range.
        annotations: remarks, each short enough for the 60 bytes that a record has for them.
    """
    records = min(len(values) for values in signals.values()) // rate
    names = [*signals, NOTES[0]]
    ends = [[f"{-limit:g}"] * len(signals) + ["-1"], [f"{limit:g}"] * len(signals) + ["1"]]
    columns = [names, [""] * len(names), [unit] * len(signals) + [""], *ends]
    columns += [["-32768"] * len(names), ["32767"] * len(names), [""] * len(names)]
    columns += [[str(rate)] * len(signals) + ["32"], [""] * len(names)]
    cells = ["0", "X X X X", "Startdate X X X X", "01.01.00", "00.00.00", BLOCK * (1 + len(names)), "EDF+C", records, 1]
    head = "".join(f"{cell!s:{width}}" for cell, width in zip([*cells, len(names)], HEAD, strict=True))
    head += "".join(f"{cell:{width}}" for column, width in zip(columns, FIELDS, strict=True) for cell in column)
    body = []
    for record in range(records):
        for values in signals.values():
            whole = np.rint((values[record * rate : (record + 1) * rate] + limit) * (65535 / (2 * limit)) - 32768)
            body.append(np.clip(whole, -32768, 32767).astype("<i2").tobytes())
        told = [f"+{record}\x14\x14\0"]
        told += [f"+{a.onset:g}\x15{a.duration:g}\x14{a.text}\x14\0" for a in annotations if int(a.onset) == record]
        body.append("".join(told).encode().ljust(64, b"\0"))
    path.write_bytes(head.encode("ascii") + b"".join(body))

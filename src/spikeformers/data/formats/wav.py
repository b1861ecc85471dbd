"""WAV files: PCM of 8, 16, 24 and 32 bits and floating point of 32 and 64 bits, any number of channels.

A file is `RIFF`, size, `WAVE`, then chunks of (name, size, data padded to an even length); `fmt ` comes before `data`.
Source: Microsoft and IBM, "Multimedia Programming Interface and Data Specifications 1.0", 1991; WAVE_FORMAT_EXTENSIBLE.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError

PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE
ENDINGS = (".wav", ".wave")
HEADER = 12
"""Bytes of RIFF, size and WAVE."""


@dataclass(frozen=True)
class Format:
    """The `fmt ` chunk: coding (PCM or FLOAT), channels, samples a second, bytes of a value."""

    coding: int
    channels: int
    rate: int
    width: int


def read_wav(path: Path) -> tuple[np.ndarray, int]:
    """Samples [N, channels] as float32 (PCM in [-1, 1)), and how many there are a second.

    Raises:
        DataError: no WAV file, cut off, empty, in another coding, or with values that are not finite; names the byte.
    """
    data = path.read_bytes()
    if len(data) < HEADER or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise DataError(f"{path} ({len(data)} bytes): not a WAV file: it must start with RIFF, a size and WAVE")
    known: Format | None = None
    for name, start, size in _chunks(data):
        if name == b"fmt ":
            known = _format(data[start : start + size], path, start)
        elif name == b"data":
            if known is None:
                raise DataError(f"{path}: the data at byte {start} come before the chunk that tells their format")
            return _values(data, start, size, known, path), known.rate
    raise DataError(f"{path} ({len(data)} bytes): has no data chunk; the file is cut off")


def write_wav(path: Path, sound: np.ndarray, rate: int) -> None:
    """Write samples [N] or [N, channels] in [-1, 1) as 16-bit PCM."""
    values = np.clip(np.rint(np.asarray(sound) * 32768), -32768, 32767).astype("<i2")
    channels = 1 if values.ndim == 1 else values.shape[1]
    head = struct.pack("<HHIIHH", PCM, channels, rate, rate * channels * 2, channels * 2, 16)
    body = b"fmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", values.nbytes) + values.tobytes()
    path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, first byte and announced size of each chunk."""
    at = HEADER
    while at + 8 <= len(data):
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        yield data[at : at + 4], at + 8, size
        at += 8 + size + size % 2


def _format(head: bytes, path: Path, start: int) -> Format:
    if len(head) < 16:
        raise DataError(f"{path}: the format at byte {start} is cut off ({len(head)} of 16 bytes)")
    coding, channels, rate, _, block, bits = struct.unpack_from("<HHIIHH", head)
    if coding == EXTENSIBLE and len(head) >= 26:
        coding = int.from_bytes(head[24:26], "little")
    known = {PCM: (8, 16, 24, 32), FLOAT: (32, 64)}
    if bits not in known.get(coding, ()):
        raise DataError(
            f"{path}: coding {coding} with {bits} bits a value; PCM (1) with 8, 16, 24 or 32 bits and floating point (3) "
            "with 32 or 64 are known; convert it to one of them"
        )
    if channels == 0 or rate == 0 or block != channels * bits // 8:
        raise DataError(
            f"{path}: the format at byte {start} states {channels} channels, {rate} samples a second and {block} bytes a "
            "sample, which cannot be"
        )
    return Format(coding, channels, rate, bits // 8)


def _values(data: bytes, start: int, size: int, form: Format, path: Path) -> np.ndarray:
    block = form.channels * form.width
    have = (len(data) - start) // block
    if len(data) - start < size:
        raise DataError(f"{path}: the header announces {size // block} samples, but the data end after {have}")
    if size % block:
        raise DataError(f"{path}: {size} bytes of data at byte {start} are not a whole number of {block}-byte samples")
    if size == 0:
        raise DataError(f"{path}: holds no sound")
    raw = data[start : start + size]
    if form.coding == FLOAT:
        values = np.frombuffer(raw, f"<f{form.width}").astype(np.float32)
    else:
        values = _scaled(raw, form.width)
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise DataError(f"{path}: sample {wrong[0] // form.channels} is not finite (NaN or infinite)")
    return values.reshape(-1, form.channels)


def _scaled(raw: bytes, width: int) -> np.ndarray:
    """Whole numbers over full scale. 8 bits are unsigned around 128, more are signed, little endian."""
    if width == 1:
        return (np.frombuffer(raw, np.uint8).astype(np.float32) - 128) / 128
    if width == 3:  # into the upper three bytes of 32 bits, so that the sign comes along
        wide = np.zeros((len(raw) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(raw, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)
    return np.frombuffer(raw, f"<i{width}").astype(np.float32) / np.float32(2.0 ** (8 * width - 1))

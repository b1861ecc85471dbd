"""IDX, the format of MNIST: a big-endian header (magic number, one size per axis), then unsigned bytes.

The magic number is 0x0000TTDD: TT the element type (08: unsigned byte), DD the number of axes.
Layout: http://yann.lecun.com/exdb/mnist/
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError

UNSIGNED_BYTE = 0x08


def read_idx(path: Path, axes: int) -> np.ndarray:
    """An IDX file of unsigned bytes, plain or gzip-compressed (told by its first bytes).

    Args:
        path: the file.
        axes: how many axes it must have: 3 for images, 1 for labels.

    Raises:
        DataError: wrong magic number, truncated, too long, or a damaged gzip stream.
    """
    data = _plain_bytes(path)
    header = 4 + 4 * axes
    wanted = UNSIGNED_BYTE << 8 | axes
    if len(data) < header:
        raise DataError(f"{path}: ends at byte {len(data)} inside the header of {header} bytes")
    magic, *sizes = struct.unpack_from(f">{axes + 1}I", data)
    if magic != wanted:
        raise DataError(
            f"{path}: magic number at byte 0 is 0x{magic:08x}, wanted 0x{wanted:08x} ({axes} axes of bytes)"
        )
    count = int(np.prod(sizes, dtype=np.int64))
    if len(data) != header + count:
        shape = "×".join(map(str, sizes))
        raise DataError(
            f"{path}: the header announces {shape} = {count} values, so {header + count} bytes, "
            f"but the data end at byte {len(data)}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(sizes)


def write_idx(path: Path, array: np.ndarray) -> None:
    """Write unsigned bytes as IDX, compressed if the name ends in .gz."""
    header = struct.pack(f">{array.ndim + 1}I", UNSIGNED_BYTE << 8 | array.ndim, *array.shape)
    data = header + np.ascontiguousarray(array, np.uint8).tobytes()
    path.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def _plain_bytes(path: Path) -> bytes:
    data = path.read_bytes()
    if data[:2] != b"\x1f\x8b":
        return data
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data)
    except zlib.error as error:
        raise DataError(f"{path}: the gzip stream of {len(data)} bytes is damaged: {error}") from None
    if not stream.eof:
        raise DataError(
            f"{path}: the gzip stream is cut off; the file ends at byte {len(data)}, inside the compressed data"
        )
    return plain

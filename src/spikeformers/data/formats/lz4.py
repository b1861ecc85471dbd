"""LZ4 frames, decompressed without another package. Source: lz4/lz4, doc/lz4_Frame_format.md and lz4_Block_format.md."""

import struct

import numpy as np

MAGIC = 0x184D2204
LARGEST_BLOCK = {4: 1 << 16, 5: 1 << 18, 6: 1 << 20, 7: 1 << 22}
STORED = 1 << 31


def decompress_lz4(data: bytes) -> bytes:
    """What one LZ4 frame holds. Checksums are skipped, not verified.

    Raises:
        ValueError: no LZ4 frame, or cut off, or references outside what was written; says where.
    """
    if len(data) < 7 or struct.unpack_from("<I", data)[0] != MAGIC:
        raise ValueError("no LZ4 frame")
    flags, descriptor = data[4], data[5]
    block_size = LARGEST_BLOCK.get(descriptor >> 4 & 7)
    if flags >> 6 != 1 or block_size is None or flags & 1:
        raise ValueError(f"LZ4 frame with flags 0x{flags:02x} 0x{descriptor:02x}, which are not supported")
    at = 7 + (8 if flags & 0x08 else 0)
    block_checksum = 4 if flags & 0x10 else 0
    out = np.empty(block_size, np.uint8)
    written = 0
    source = np.frombuffer(data, np.uint8)
    from spikeformers.data.formats.lz4_block import decompress_block

    while True:
        if at + 4 > len(data):
            raise ValueError(f"LZ4 frame cut off at its byte {len(data)}")
        size = struct.unpack_from("<I", data, at)[0]
        at += 4
        if size == 0:
            return out[:written].tobytes()
        length = size & ~STORED
        if at + length > len(data) or length > block_size:
            raise ValueError(f"LZ4 block at byte {at} of the frame is cut off or too large")
        if len(out) < written + block_size:
            out = np.concatenate([out, np.empty(len(out) + block_size, np.uint8)])
        if size & STORED:
            out[written : written + length] = source[at : at + length]
            written += length
        else:
            written = decompress_block(source[at : at + length], out, written, written + block_size)
            if written < 0:
                raise ValueError(f"LZ4 block at byte {at} of the frame is damaged")
        at += length + block_checksum

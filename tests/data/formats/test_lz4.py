import struct

import pytest

from spikeformers.data.formats.lz4 import decompress_lz4

HEADER = struct.pack("<I", 0x184D2204) + bytes([0x40, 0x40, 0])
END = b"\0\0\0\0"


def frame(*blocks: bytes) -> bytes:
    return HEADER + b"".join(struct.pack("<I", len(b)) + b for b in blocks) + END


def test_literals_and_overlapping_copies() -> None:
    # "ab" then copy 10 bytes from 2 back, then the literal "z"
    assert decompress_lz4(frame(bytes([0x26]) + b"ab" + bytes([2, 0, 0x10]) + b"z")) == b"ab" * 6 + b"z"


def test_long_lengths_go_over_several_bytes() -> None:
    text = bytes(range(256)) * 2
    block = bytes([0xFF, 255, 512 - 15 - 255]) + text + bytes([0, 1, 255, 26, 0x00])
    assert decompress_lz4(frame(block)) == text + text[256:] + text[256 : 256 + 19 + 255 + 26 - 256]


def test_stored_blocks_and_copies_from_the_block_before() -> None:
    stored = struct.pack("<I", 4 | 1 << 31) + b"wxyz"
    linked = bytes([0x00, 4, 0, 0x10]) + b"!"
    assert decompress_lz4(HEADER + stored + struct.pack("<I", len(linked)) + linked + END) == b"wxyz" * 2 + b"!"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "no LZ4 frame"),
        (b"\0" * 20, "no LZ4 frame"),
        (HEADER, "cut off at its byte 7"),
        (frame(b"\x10z")[:-5], "block at byte 11 of the frame is cut off"),
        (frame(bytes([0x00, 9, 0])), "damaged"),  # a copy from before the start
        (frame(bytes([0x10])), "damaged"),  # literals that are not there
        (struct.pack("<I", 0x184D2204) + bytes([0x40, 0x10, 0]) + END, "not supported"),
    ],
)
def test_damaged_frames_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        decompress_lz4(data)

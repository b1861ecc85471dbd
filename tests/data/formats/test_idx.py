import gzip
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.formats.idx import read_idx, write_idx

IMAGES = np.arange(3 * 4 * 5, dtype=np.uint8).reshape(3, 4, 5)


@pytest.mark.parametrize("name", ["plain", "packed.gz"])
def test_what_was_written_is_read(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, IMAGES)
    assert np.array_equal(read_idx(tmp_path / name, 3), IMAGES)


def test_the_header_is_the_published_one(tmp_path: Path) -> None:
    write_idx(tmp_path / "images", IMAGES)
    assert (tmp_path / "images").read_bytes()[:16] == bytes.fromhex("00000803 00000003 00000004 00000005")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: d[:10], "ends at byte 10 inside the header of 16"),
        (lambda d: d[:-1], "so 76 bytes, but the data end at byte 75"),
        (lambda d: d + b"x", "but the data end at byte 77"),
        (lambda d: b"\x00\x00\x08\x01" + d[4:], "magic number at byte 0 is 0x00000801, wanted 0x00000803"),
        (lambda d: gzip.compress(d)[:-12], "gzip stream is cut off"),
        (lambda d: gzip.compress(d)[:20] + b"\xff" * 30, "gzip stream"),
    ],
)
def test_damaged_files_are_refused_with_the_reason(tmp_path: Path, damage: object, message: str) -> None:
    path = tmp_path / "images"
    write_idx(path, IMAGES)
    path.write_bytes(damage(path.read_bytes()))  # type: ignore[operator]
    with pytest.raises(DataError, match=message) as caught:
        read_idx(path, 3)
    assert str(path) in str(caught.value)

import struct
import wave
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.formats.wav import read_wav, write_wav

RAMP = np.array([[0.0, 0.5], [-0.5, 0.25], [-1.0, 0.75]])


def riff(*chunks: tuple[bytes, bytes]) -> bytes:
    body = b"".join(name + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2) for name, data in chunks)
    return b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body


def head(coding: int, bits: int, channels: int = 2, rate: int = 8000, extra: bytes = b"") -> bytes:
    block = channels * bits // 8
    return struct.pack("<HHIIHH", coding, channels, rate, rate * block, block, bits) + extra


def pcm(bits: int) -> bytes:
    whole = np.rint(RAMP.ravel() * 2 ** (bits - 1)).astype(np.int64)
    if bits == 8:
        return (whole + 128).astype(np.uint8).tobytes()
    return b"".join(int(v).to_bytes(bits // 8, "little", signed=True) for v in whole)


@pytest.mark.parametrize("bits", [8, 16, 24, 32])
def test_whole_numbers_of_every_width_come_out_over_full_scale(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff((b"fmt ", head(1, bits)), (b"data", pcm(bits))))
    values, rate = read_wav(path)
    assert rate == 8000
    assert values.dtype == np.float32
    assert np.array_equal(values, RAMP.astype(np.float32))


@pytest.mark.parametrize("bits", [32, 64])
def test_floating_point_comes_out_as_it_is(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(riff((b"fmt ", head(3, bits)), (b"data", (1.5 * RAMP).astype(f"<f{bits // 8}").tobytes())))
    assert np.array_equal(read_wav(path)[0], (1.5 * RAMP).astype(np.float32))


def test_the_extensible_form_and_chunks_of_no_interest_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    guid = struct.pack("<H", 1) + bytes.fromhex("000000001000800000aa00389b71")
    extra = struct.pack("<HHI", 22, 16, 3) + guid
    chunks = [(b"LIST", b"odd"), (b"fmt ", head(0xFFFE, 16, extra=extra)), (b"fact", b"1234"), (b"data", pcm(16))]
    path.write_bytes(riff(*chunks, (b"LIST", b"after")))
    assert np.array_equal(read_wav(path)[0], RAMP.astype(np.float32))


def test_what_is_written_is_read_back_here_and_by_the_standard_library(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, RAMP, 16000)
    values, rate = read_wav(path)
    assert rate == 16000
    assert np.array_equal(values, RAMP.astype(np.float32))
    with wave.open(str(path), "rb") as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate(), file.getnframes()) == (2, 2, 16000, 3)
        assert file.readframes(3) == pcm(16)


def test_real_recordings_read_as_the_standard_library_reads_them(shared: Path) -> None:
    for path in sorted((shared / "data" / "fsdd").glob("7_*_1*.wav"))[:20]:
        values, rate = read_wav(path)
        with wave.open(str(path), "rb") as file:
            assert rate == file.getframerate() == 8000
            whole = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        assert np.array_equal(values[:, 0] * 32768, whole)


FORM = (b"fmt ", head(1, 16))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"RIFFnothing", r"\(11 bytes\): not a WAV file"),
        (b"OggS" + bytes(40), "not a WAV file"),
        (riff(FORM, (b"data", pcm(16)))[:-2], "announces 3 samples, but the data end after 2"),
        (riff(FORM), "no data chunk"),
        (riff((b"data", pcm(16)), FORM), "data at byte 20 come before"),
        (riff((b"fmt ", b"short"), (b"data", pcm(16))), r"format at byte 20 is cut off \(5 of 16"),
        (riff(FORM, (b"data", b"")), "holds no sound"),
        (riff(FORM, (b"data", b"12345")), "5 bytes of data at byte 44 are not a whole number of 4-byte"),
        (riff((b"fmt ", head(2, 4)), (b"data", b"1234")), "coding 2 with 4 bits"),
        (riff((b"fmt ", head(1, 16, channels=0)), (b"data", b"1234")), "states 0 channels"),
        (riff((b"fmt ", head(3, 32)), (b"data", np.array([0, np.nan] * 2, "<f4").tobytes())), "sample 0 is not finite"),
    ],
)
def test_damaged_files_are_refused_with_name_and_reason(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_wav(path)
    assert str(path) in str(caught.value)

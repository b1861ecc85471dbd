"""EDF and BDF on a real record of another program, on files packed here byte by byte, and on damaged ones."""

import base64
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.formats.edf import Annotation, read_edf, write_edf

WIDTHS = (16, 80, 8, 8, 8, 8, 8, 80, 8, 32)
RECORD = base64.b64decode(
    "6P/j/9n/2v/m//n/AgABAPf/7v/l/9T/y//X/+7//f8AAAIA///2/+n/y/+v/7b/0//s//v////+//v/9P/m/+H/8v8JACEAJwAaAAIA7v/h/9z/4/"
    "/5/xQAJgAdAA0AAADr/9//3P/l//j/BQAEAAAA+//q/9f/wf+2/8j/6P8NAC0AMwAZAPT/4v/T/9L/7P8QADAAPABAAD8ANgAoAB8AFQARABgAIwAq"
    "ADcAPgAzACgAHwAjADQATABXAFsAVQBGADEAGQANABAAFQAiACoAIgAZABcAHAAcAA4ADgAaACoAKwAjABsAEwAMABEAGwAsADgAPQAxABsAAwD//y"
    "swLjM5NDUzMTIUFAArMi4zNDU3MDMxFFhMU3Bpa2UUAAAAAAAAAAA="
)
"""First record of test_subsecond.edf, a real EEG among the test files of pyEDFlib (holgern/pyedflib, BSD)."""


def header(
    signals: Sequence[tuple[object, ...]],
    records: object,
    seconds: object = 1,
    first: bytes = b"0       ",
    kind: str = "EDF+C",
) -> bytes:
    """A header; signals are rows of label, transducer, unit, four limits, filters, samples, reserved."""
    cells = [
        "X F 20-JAN-1998 X,X",
        "Startdate 24-JAN-2020 X X X",
        "24.01.20",
        "04.05.56",
        256 * (1 + len(signals)),
        kind,
    ]
    text = "".join(
        f"{c!s:{w}}"
        for c, w in zip([*cells, records, seconds, len(signals)], (80, 80, 8, 8, 8, 44, 8, 8, 4), strict=True)
    )
    text += "".join(f"{row[column]!s:{width}}" for column, width in enumerate(WIDTHS) for row in signals)
    return first + text.encode("ascii")


EEG = ("Fp1", "", "uV", 8711, -8711, -32768, 32767, "", 128, "")
NOTE = ("EDF Annotations", "", "", -1, 1, -32768, 32767, "", 20, "")


def test_a_real_record_reads_as_another_library_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(header([EEG, NOTE], 1) + RECORD)
    file = read_edf(path)
    (channel,) = file.channels
    assert (channel.label, channel.unit, file.rate(channel), file.continuous) == ("Fp1", "uV", 128.0, True)
    values = file.values(channel)
    assert values.dtype == np.float32
    np.testing.assert_allclose(
        values[:4], [6.247302967879759, 7.576516365300984, 10.234943160143434, 9.96910048065919], rtol=1e-6
    )
    np.testing.assert_allclose(values.sum(dtype=np.float64), -282.059082932784, rtol=1e-5)  # pyEDFlib 0.1.42
    assert file.annotations() == [Annotation(2.3457031 - 0.3945312, 0.0, "XLSpike")]


def test_signals_of_different_rates_and_24_bits_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.bdf"
    rows = [
        ("A1", "", "uV", -100, 100, -(2**23), 2**23 - 1, "", 3, ""),
        ("BDF Annotations", "", "", -1, 1, -(2**23), 2**23 - 1, "", 8, ""),
        ("Status", "", "", 0, 10, 0, 10, "", 1, ""),
    ]
    whole = [[-(2**23), 0, 2**23 - 1], [-1, 1, 77]]
    body = b""
    for record, (numbers, status) in enumerate(zip(whole, (4, 9), strict=True)):
        body += b"".join(v.to_bytes(3, "little", signed=True) for v in numbers)
        body += f"+{record * 2}\x14\x14\0+{record * 2}.5\x150.25\x14go\x14é\x14\0".encode()[:24].ljust(24, b"\0")
        body += status.to_bytes(3, "little")
    path.write_bytes(header(rows, 2, 2, b"\xffBIOSEMI", "BDF+C") + body)
    file = read_edf(path)
    assert [c.label for c in file.channels] == ["A1", "Status"]
    assert file.rate(file.channel("A1")) == 1.5
    scale = 200 / (2**24 - 1)
    np.testing.assert_allclose(
        file.values(file.channel("A1")), [(v + 2**23) * scale - 100 for v in np.ravel(whole)], rtol=1e-6
    )
    assert file.values(file.channel("Status")).tolist() == [4.0, 9.0]
    assert file.annotations() == [Annotation(t, 0.25, text) for t in (0.5, 2.5) for text in ("go", "é")]


def test_what_is_written_is_read_back_to_half_a_step(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    rng = np.random.default_rng(0)
    signals = {"C3": rng.uniform(-500, 500, 64), "C4": rng.uniform(-500, 500, 70)}
    write_edf(path, signals, 16, annotations=[Annotation(1.5, 2.0, "task"), Annotation(0.0, 1.5, "rest")])
    file = read_edf(path)
    assert (file.records, file.seconds) == (4, 1.0)
    for name, values in signals.items():
        assert np.abs(file.values(file.channel(name)) - values[:64]).max() <= 500 / 65535 + 1e-4
    assert file.annotations() == [Annotation(0.0, 1.5, "rest"), Annotation(1.5, 2.0, "task")]


def test_an_unknown_number_of_records_is_taken_from_the_size(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(header([EEG, NOTE], -1) + RECORD + RECORD)
    assert read_edf(path).records == 2
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"record 1 at byte 1064 is cut off \(295 of 296 bytes; an unknown number of"):
        read_edf(path)


def test_a_recording_with_gaps_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(header([EEG, NOTE], 1, kind="EDF+D") + RECORD)
    assert not read_edf(path).continuous


def damaged(**changes: object) -> tuple[object, ...]:
    places = {"low": 3, "high": 4, "first": 5, "last": 6, "samples": 8}
    row = list(EEG)
    for name, value in changes.items():
        row[places[name]] = value
    return tuple(row)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"\(0 bytes\): no EDF or BDF file"),
        (b"1       " + bytes(300), "no EDF or BDF file"),
        (header([EEG, NOTE], 1)[:400], r"the header is cut off at byte 400 \(2 signals"),
        (header([EEG, NOTE], 1) + RECORD[:100], r"record 0 at byte 768 is cut off \(100 of 296 bytes; 1 records"),
        (header([EEG, NOTE], 0) + RECORD, "holds no records"),
        (header([EEG, NOTE], "many") + RECORD, "the number of records at byte 236 is 'many', not a number"),
        (header([EEG, NOTE], 1.5) + RECORD, "the number of records at byte 236 is 1.5, not a whole number"),
        (header([EEG, NOTE], 1, seconds=0) + RECORD, "byte 244 states records of 0 s"),
        (
            header([EEG, NOTE], 1).replace(b"768 ", b"512 ") + RECORD,
            "byte 184 states its length as 512, but 2 signals need 768",
        ),
        (header([damaged(first=5, last=5), NOTE], 1) + RECORD, r"signal 0 \('Fp1'\) has .* digital limits 5 … 5"),
        (header([damaged(low=0, high=0), NOTE], 1) + RECORD, "physical limits 0 … 0"),
        (header([damaged(samples=0), NOTE], 1) + RECORD, "has 0 samples a record"),
        (header([damaged(low="nan"), NOTE], 1) + RECORD, "the physical limit of 'Fp1' at byte 464 is 'nan'"),
        (header([], 1), "byte 252 states 0 signals"),
    ],
)
def test_damaged_files_are_refused_with_the_byte(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_edf(path)
    assert str(path) in str(caught.value)


def test_damaged_annotations_name_the_record(tmp_path: Path) -> None:
    path = tmp_path / "a.edf"
    path.write_bytes(header([EEG, NOTE], 2) + RECORD + RECORD.replace(b"+2.3457031", b"+2.34x7031"))
    with pytest.raises(DataError, match="record 1: a list of annotations is damaged"):
        read_edf(path).annotations()
    with pytest.raises(DataError, match="no channel 'Cz'; it has Fp1"):
        read_edf(path).channel("Cz")

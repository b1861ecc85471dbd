"""Readers of recordings: on files of real cameras where they are at hand, and on byte-true files made here."""

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import EVENT, as_events, make_events
from spikeformers.data.events.readers import aedat, hdf5, nmnist, prophesee_dat, read_recording

REAL = {
    "sample.aedat4": (111954, 240, 320),
    "evt2.raw": (521252, 480, 640),
    "dvs.es": (473225, 240, 320),
    "sample_ncars.dat": (2009, 100, 120),
    "sample_nmnist.bin": (4325, 34, 34),
    "sample_stmnist.mat": (2346, 10, 10),
}


@pytest.fixture(scope="module")
def recordings(shared: Path) -> Path:
    return shared / "data" / "recordings"


def some_events(n: int = 20, side: int = 100, last: int = 100_000) -> np.ndarray:
    rng = np.random.default_rng(0)
    t = np.sort(rng.integers(0, last, n))
    return make_events(rng.integers(0, side, n), rng.integers(0, side, n), t, rng.integers(0, 2, n))


def evt2(events: np.ndarray) -> bytes:
    words = []
    for e in events:
        x, y, t, p = (int(e[name]) for name in "xytp")
        words += [0x8 << 28 | t >> 6, p << 28 | (t & 63) << 22 | x << 11 | y, 0xA << 28]
    return b"% evt 2.0\n% geometry 640x480\n% end\n" + struct.pack(f"<{len(words)}I", *words)


def evt3(events: np.ndarray) -> bytes:
    words = []
    for e in events:
        x, y, t, p = (int(e[name]) for name in "xytp")
        words += [0x8 << 12 | t >> 12 & 0xFFF, 0x6 << 12 | t & 0xFFF, y, 0x2 << 12 | p << 11 | x]
    return b"% format EVT3;height=720;width=1280\n% end\n" + struct.pack(f"<{len(words)}H", *words)


def event_stream(events: np.ndarray) -> bytes:
    out, now = b"Event Stream\x02\x00\x00\x01" + struct.pack("<HH", 320, 240), 0
    for e in events:
        while e["t"] - now >= 127:
            out, now = out + b"\xfe", now + 127
        out += struct.pack("<BHH", int(e["t"] - now) << 1 | int(e["p"]), int(e["x"]), int(e["y"]))
        now = int(e["t"])
    return out


def aedat2(events: np.ndarray) -> bytes:
    words = []
    for e in events:
        x, y, t, p = (int(e[name]) for name in "xytp")
        words += [(127 - x) << 8 | (127 - y) << 1 | (1 - p), t]
    return b"#!AER-DAT2.0\r\n# made up\r\n" + struct.pack(f">{len(words)}I", *words)


def aedat3(events: np.ndarray) -> bytes:
    words = []
    for e in events:
        x, y, t, p = (int(e[name]) for name in "xytp")
        words += [x << 17 | y << 2 | p << 1 | 1, t]
    invalid = struct.pack("<II", 5 << 17 | 5 << 2, 0)
    body = struct.pack(f"<{len(words)}I", *words) + invalid
    other = struct.pack("<HHIIIIII", 0, 1, 8, 4, 0, 1, 1, 1) + b"\0" * 8
    packet = struct.pack("<HHIIIIII", 1, 1, 8, 4, 0, len(events) + 1, len(events) + 1, len(events))
    return b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n" + other + packet + body


def dat(events: np.ndarray) -> bytes:
    words = []
    for e in events:
        words += [int(e["t"]), int(e["x"]) | int(e["y"]) << 14 | int(e["p"]) << 28]
    return b"% Version 2\n% Height 240\n% Width 304\n\x0c\x08" + struct.pack(f"<{len(words)}I", *words)


def n_mnist(events: np.ndarray) -> bytes:
    return b"".join(
        bytes([e["x"], e["y"], int(e["p"]) << 7 | int(e["t"]) >> 16, int(e["t"]) >> 8 & 255, int(e["t"]) & 255])
        for e in events
    )


WRITERS: dict[str, tuple[str, Callable[[np.ndarray], bytes]]] = {
    "evt2": ("a.raw", evt2),
    "evt3": ("a.raw", evt3),
    "es": ("a.es", event_stream),
    "aedat2": ("a.aedat", aedat2),
    "aedat3": ("a.aedat", aedat3),
    "dat": ("a.dat", dat),
    "n_mnist": ("a.bin", n_mnist),
}


@pytest.mark.parametrize("name", REAL)
def test_real_recordings_are_read_whole(recordings: Path, name: str) -> None:
    count, height, width = REAL[name]
    found = read_recording(recordings / name)
    assert len(found.events) == count
    assert found.events.dtype == EVENT
    assert (np.diff(found.events["t"]) >= 0).all()
    assert 0 <= found.events["x"].min() <= found.events["x"].max() < width
    assert 0 <= found.events["y"].min() <= found.events["y"].max() < height
    assert set(np.unique(found.events["p"])) == {0, 1}
    assert found.height in (height, None)


@pytest.mark.parametrize("name", [n for n in REAL if n != "sample_stmnist.mat"])
def test_real_recordings_cut_short_are_refused_with_the_place(recordings: Path, name: str, tmp_path: Path) -> None:
    data = (recordings / name).read_bytes()
    for kept in (len(data) - 1, len(data) // 2 | 1):  # no format has events of odd sizes at odd places only
        (tmp_path / name).write_bytes(data[:kept])
        with pytest.raises(DataError, match=r"byte \d+") as caught:
            read_recording(tmp_path / name)
        assert str(tmp_path / name) in str(caught.value)


def test_a_matlab_file_cut_short_is_refused(recordings: Path, tmp_path: Path) -> None:
    (tmp_path / "a.mat").write_bytes((recordings / "sample_stmnist.mat").read_bytes()[:5000])
    with pytest.raises(DataError, match=r"5000 bytes\): not a readable MATLAB"):
        read_recording(tmp_path / "a.mat")


def test_flipped_bytes_in_a_compressed_packet_are_refused_or_survived(recordings: Path, tmp_path: Path) -> None:
    data = bytearray((recordings / "sample.aedat4").read_bytes())
    messages = []
    for at in range(3000, 60000, 3001):
        hurt = bytearray(data)
        hurt[at : at + 16] = bytes(b ^ 0xFF for b in hurt[at : at + 16])
        (tmp_path / "a.aedat4").write_bytes(hurt)
        try:
            read_recording(tmp_path / "a.aedat4")
        except DataError as error:
            messages.append(str(error))
    assert len(messages) > 10
    assert all("a.aedat4" in message for message in messages)


def test_a_generic_event_stream_is_refused_by_its_type(recordings: Path) -> None:
    with pytest.raises(DataError, match="type 0 \\(generic\\) at byte 15"):
        read_recording(recordings / "generic.es")


@pytest.mark.parametrize("form", WRITERS)
def test_what_was_written_is_read(form: str, tmp_path: Path) -> None:
    name, write = WRITERS[form]
    events = some_events()
    (tmp_path / name).write_bytes(write(events))
    assert np.array_equal(read_recording(tmp_path / name).events, events)


@pytest.mark.parametrize("form", WRITERS)
def test_a_file_cut_inside_its_last_event_is_refused_with_the_place(form: str, tmp_path: Path) -> None:
    name, write = WRITERS[form]
    (tmp_path / name).write_bytes(write(some_events())[:-1])
    with pytest.raises(DataError, match=r"a\.\w+: .*byte \d+"):
        read_recording(tmp_path / name)


@pytest.mark.parametrize("form", ["evt2", "evt3", "es", "aedat3", "dat"])
def test_a_file_of_another_format_is_refused(form: str, tmp_path: Path) -> None:
    name, _ = WRITERS[form]
    (tmp_path / name).write_bytes(b"something else entirely, and long enough to hold a header")
    with pytest.raises(DataError, match=name):
        read_recording(tmp_path / name)


def test_evt2_words_of_unknown_type_and_events_before_time_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.raw"
    path.write_bytes(b"% evt 2.0\n" + struct.pack("<II", 0x80000001, 0x50000000))
    with pytest.raises(DataError, match="0x50000000 at byte 14 has no EVT2 type"):
        read_recording(path)
    path.write_bytes(b"% evt 2.0\n" + struct.pack("<I", 0x10000000))
    with pytest.raises(DataError, match="byte 10 comes before any time"):
        read_recording(path)


def test_evt2_time_goes_on_when_its_28_bits_wrap(tmp_path: Path) -> None:
    high = (1 << 28) - 1
    words = [0x8 << 28 | high, 0x1 << 28, 0x8 << 28, 0x1 << 28]
    (tmp_path / "a.raw").write_bytes(b"% evt 2.0\n" + struct.pack("<4I", *words))
    t = read_recording(tmp_path / "a.raw").events["t"]
    assert t.tolist() == [high << 6, 1 << 34]


def test_evt3_masks_of_pixels_and_wrapping_time(tmp_path: Path) -> None:
    words = [
        0x8FFF,  # high time
        0x6001,  # low time
        0x0007,  # y = 7
        0x3000 | 1 << 11 | 100,  # base x = 100, positive
        0x4000 | 0b100000000001,  # pixels 100 and 111
        0x5000 | 0b10000010,  # pixels 113 and 119
        0x8000,  # high time wrapped
        0x2000 | 5,  # x = 5, negative
    ]
    (tmp_path / "a.raw").write_bytes(b"% evt 3.0\n% end\n" + struct.pack("<8H", *words))
    events = read_recording(tmp_path / "a.raw").events
    assert events["x"].tolist() == [100, 111, 113, 119, 5]
    assert events["y"].tolist() == [7] * 5
    assert events["p"].tolist() == [1, 1, 1, 1, 0]
    assert events["t"].tolist() == [0xFFF << 12 | 1] * 4 + [1 << 24 | 1]
    (tmp_path / "a.raw").write_bytes(b"% evt 3.0\n% end\n" + struct.pack("<2H", 0x0007, 0x9000))
    with pytest.raises(DataError, match="0x9000 at byte 18 has no EVT3 type"):
        read_recording(tmp_path / "a.raw")


def test_n_mnist_overflow_entries_move_time_on(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes([1, 2, 0x80, 0, 9, 0, 240, 0, 0, 0, 3, 4, 0, 0, 5]))
    events = read_recording(tmp_path / "a.bin").events
    assert [tuple(e) for e in events.tolist()] == [(1, 2, 9, 1), (3, 4, 8192 + 5, 0)]


def test_aedat2_of_a_davis_skips_frames_and_unwraps_time(tmp_path: Path) -> None:
    words = [3 << 22 | 9 << 12 | 1 << 11, (1 << 32) - 5, 1 << 31, 1, 4 << 22 | 8 << 12, 2]
    (tmp_path / "a.aedat").write_bytes(b"#!AER-DAT2.0\r\n" + struct.pack(">6I", *words))
    found = aedat.read_aedat2(tmp_path / "a.aedat", "davis240")
    assert [tuple(e) for e in found.events.tolist()] == [(9, 3, (1 << 32) - 5, 1), (8, 4, (1 << 32) + 2, 0)]
    assert (found.height, found.width) == (180, 240)


def test_aedat3_packets_that_announce_too_much_are_refused(tmp_path: Path) -> None:
    data = aedat3(some_events())
    at = data.index(b"#!END-HEADER\r\n") + 14
    (tmp_path / "a.aedat").write_bytes(data[: at + 24] + b"\xff\xff\xff\xff" + data[at + 28 :])
    read_recording(tmp_path / "a.aedat")  # the number of valid events is not relied on
    (tmp_path / "a.aedat").write_bytes(data[: at + 20] + b"\xff\xff\xff\xff" + data[at + 24 :])
    with pytest.raises(DataError, match=f"packet at byte {at} announces 4294967295 events"):
        read_recording(tmp_path / "a.aedat")


def test_dat_files_of_other_versions_and_types_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_bytes(b"% Version 1\n\x00\x08")
    with pytest.raises(DataError, match="version 1"):
        read_recording(tmp_path / "a.dat")
    (tmp_path / "a.dat").write_bytes(b"% Version 2\n\x28\x14")
    with pytest.raises(DataError, match="event type 40 of 20 bytes at byte 12"):
        read_recording(tmp_path / "a.dat")


def test_our_writers_agree_with_our_readers(tmp_path: Path) -> None:
    events = some_events()
    for writer, name in ((nmnist, "a.bin"), (prophesee_dat, "a.dat")):
        writer.write(tmp_path / name, events)
        assert np.array_equal(read_recording(tmp_path / name).events, events)


def test_hdf5_in_the_layout_of_dsec_is_read_whole_and_in_part(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs the extra spikeformers[events]")
    events = some_events(500, side=400, last=20_000)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, kind in (("x", np.uint16), ("y", np.uint16), ("t", np.uint32), ("p", np.uint8)):
            file[f"events/{name}"] = events[name].astype(kind)
        file["ms_to_idx"] = np.searchsorted(events["t"], np.arange(21) * 1000).astype(np.uint64)
        file["t_offset"] = 10**12
    found = read_recording(tmp_path / "a.h5").events
    assert np.array_equal(found["t"], events["t"] + 10**12)
    assert np.array_equal(found["x"], events["x"])
    for start, stop in ((None, 5500), (3210, None), (3210, 9999), (0, 1), (19_990, 50_000)):
        kept = events[(events["t"] >= (start or 0)) & (events["t"] < (stop or 10**9))]
        part = hdf5.read_between(tmp_path / "a.h5", start, stop).events
        assert np.array_equal(part["t"] - 10**12, kept["t"])
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["events/x"] = [1]
    with pytest.raises(DataError, match="events/t"):
        read_recording(tmp_path / "b.h5")
    (tmp_path / "c.h5").write_bytes((tmp_path / "a.h5").read_bytes()[:3000])
    with pytest.raises(DataError, match="not a readable HDF5"):
        read_recording(tmp_path / "c.h5")


def test_hdf5_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "h5py", None)
    with pytest.raises(DataError, match=r"spikeformers\[events\]"):
        read_recording(tmp_path / "a.h5")


def test_asl_dvs_columns_are_read(tmp_path: Path) -> None:
    import scipy.io

    events = some_events()
    scipy.io.savemat(tmp_path / "a.mat", {"ts": events["t"], "x": events["x"], "y": events["y"], "pol": events["p"]})
    assert np.array_equal(read_recording(tmp_path / "a.mat").events, events)
    scipy.io.savemat(tmp_path / "b.mat", {"other": [1]})
    with pytest.raises(DataError, match="holds \\['other'\\]"):
        read_recording(tmp_path / "b.mat")


def test_an_unknown_ending_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'\.aedat5'.*did you mean '\.aedat"):
        read_recording(tmp_path / "a.aedat5")


def test_arrays_of_other_libraries_are_taken_by_name() -> None:
    other = np.zeros(3, [("t", "u8"), ("p", "?"), ("y", "u2"), ("x", "u2")])
    other["t"], other["x"], other["p"] = [5, 3, 4], [50, 30, 40], [True, False, True]
    events = as_events(other)
    assert [tuple(e) for e in events.tolist()] == [(30, 0, 3, 0), (40, 0, 4, 1), (50, 0, 5, 1)]
    with pytest.raises(DataError, match="y, p missing"):
        as_events(np.zeros(1, [("t", "i8"), ("x", "i8")]))


def test_impossible_events_are_refused() -> None:
    one = np.array([1])
    with pytest.raises(DataError, match="event 0 has p=2"):
        make_events(one, one, one, one * 2)
    with pytest.raises(DataError, match="event 0 has x=-1"):
        make_events(-one, one, one, one)
    with pytest.raises(DataError, match="different length"):
        make_events(one, one, one, np.array([0, 1]))


@pytest.mark.parametrize("form", WRITERS)
def test_what_is_whole_of_a_cut_file_is_read_where_that_is_asked_for(form: str, tmp_path: Path) -> None:
    name, write = WRITERS[form]
    events = some_events()
    (tmp_path / name).write_bytes(write(events)[: -9 if form == "aedat3" else -1])  # aedat3 ends in an invalid event
    found = read_recording(tmp_path / name, allow_cut=True).events
    assert 18 <= len(found) < 20 or form == "evt2"  # there the last word is no event
    assert np.array_equal(found, events[: len(found)])


def test_real_recordings_cut_short_give_their_beginning(recordings: Path, tmp_path: Path) -> None:
    for name in ("sample.aedat4", "evt2.raw", "dvs.es", "sample_nmnist.bin"):
        data = (recordings / name).read_bytes()
        (tmp_path / name).write_bytes(data[: len(data) // 2 | 1])
        whole, part = read_recording(recordings / name).events, read_recording(tmp_path / name, allow_cut=True).events
        assert 0.4 < len(part) / len(whole) < 0.6
        assert np.array_equal(part, whole[: len(part)])


def test_formats_with_an_index_cannot_be_read_in_part(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.mat: of a file of this format nothing can be read"):
        read_recording(tmp_path / "a.mat", allow_cut=True)


def test_evt3_events_before_any_time_are_refused_or_left_out(tmp_path: Path) -> None:
    words = [0x0007, 0x2005, 0x8001, 0x6002, 0x2009]
    (tmp_path / "a.raw").write_bytes(b"% evt 3.0\n% end\n" + struct.pack("<5H", *words))
    with pytest.raises(DataError, match="word 0x2005 at byte 18 comes before any time is set"):
        read_recording(tmp_path / "a.raw")
    events = read_recording(tmp_path / "a.raw", allow_cut=True).events
    assert [tuple(e) for e in events.tolist()] == [(9, 7, 1 << 12 | 2, 0)]


def test_a_window_of_a_dat_file_is_read_without_the_rest(tmp_path: Path) -> None:
    events = some_events(500)
    prophesee_dat.write(tmp_path / "a.dat", events)
    for start, stop in ((None, 5500), (3210, None), (3210, 9999), (0, 1), (200_000, 300_000)):
        kept = events[(events["t"] >= (start or 0)) & (events["t"] < (stop or 10**9))]
        assert np.array_equal(prophesee_dat.read_between(tmp_path / "a.dat", start, stop).events, kept)
    start, stop = int(events["t"][200]), int(events["t"][300])
    events["t"][211] = start
    prophesee_dat.write(tmp_path / "a.dat", events)
    with pytest.raises(DataError, match="times do not ascend near event 200"):
        prophesee_dat.read_between(tmp_path / "a.dat", start, stop)
    prophesee_dat.write(tmp_path / "a.dat", some_events(400_000, last=10**7))
    tracemalloc.start()
    found = prophesee_dat.read_between(tmp_path / "a.dat", 5_000_000, 5_100_000).events
    assert tracemalloc.get_traced_memory()[1] < 600_000  # of a file of 3.2 MB
    tracemalloc.stop()
    assert 3000 < len(found) < 5000
    (tmp_path / "a.dat").write_bytes(b"% Version 2\n\x00\x08")
    assert not len(prophesee_dat.read_between(tmp_path / "a.dat", 0, 10).events)


def test_numpy_archives_of_both_layouts_are_read(tmp_path: Path) -> None:
    events = some_events()
    np.savez(tmp_path / "a.npz", **{name: events[name] for name in "txyp"})
    assert np.array_equal(read_recording(tmp_path / "a.npz").events, events)
    signs = {name: events[events["p"] == p] for name, p in (("pos", 1), ("neg", 0))}
    rows = {name: np.stack([e["y"], e["x"], e["t"]], 1).astype(np.float64) for name, e in signs.items()}
    np.savez_compressed(tmp_path / "b.npz", **rows)
    found = read_recording(tmp_path / "b.npz").events
    assert np.array_equal(np.sort(found, order=["t", "x"]), np.sort(events, order=["t", "x"]))


def test_numpy_archives_that_cannot_be_events_are_refused(tmp_path: Path) -> None:
    events = some_events()
    columns = {name: events[name] for name in "txyp"}
    np.savez(tmp_path / "a.npz", **columns)
    whole = (tmp_path / "a.npz").read_bytes()
    (tmp_path / "b.npz").write_bytes(whole[:300])
    with pytest.raises(DataError, match=r"b\.npz \(300 bytes\): not a readable NumPy archive"):
        read_recording(tmp_path / "b.npz")
    hurt = bytearray(whole)
    hurt[200] ^= 0xFF
    (tmp_path / "b.npz").write_bytes(hurt)
    with pytest.raises(DataError, match="not a readable NumPy archive"):
        read_recording(tmp_path / "b.npz")
    np.savez(tmp_path / "c.npz", frames=np.zeros(3))
    with pytest.raises(DataError, match=r"holds \['frames'\]"):
        read_recording(tmp_path / "c.npz")
    for bad in (np.nan, 1.5):
        np.savez(tmp_path / "d.npz", **{**columns, "x": np.where(np.arange(20) == 4, bad, 3.0)})
        with pytest.raises(DataError, match=f"event 4 has x={bad}, which is no whole number"):
            read_recording(tmp_path / "d.npz")


def test_hdf5_compressed_as_dsec_is_read_with_its_filter(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="needs the extra spikeformers[events]")
    hdf5plugin = pytest.importorskip("hdf5plugin", reason="needs the extra spikeformers[events]")
    events = some_events(300)
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name in "xytp":
            file.create_dataset(f"events/{name}", data=events[name], **hdf5plugin.Blosc())
    assert np.array_equal(read_recording(tmp_path / "a.h5").events, events)

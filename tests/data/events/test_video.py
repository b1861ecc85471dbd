from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.events.array import EVENT
from spikeformers.data.events.simulate import from_frames
from spikeformers.data.events.video import events_from_video


def moving_square(n: int = 12, side: int = 32) -> np.ndarray:
    frames = np.full((n, side, side), 40, np.uint8)
    for k in range(n):
        frames[k, 8:20, k + 2 : k + 12] = 220
    return frames


def encode(path: Path, frames: np.ndarray, rate: int = 25) -> None:
    av = pytest.importorskip("av", reason="needs the extra spikeformers[video]")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=rate)
        stream.height, stream.width = frames.shape[1:]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="gray")))
        container.mux(stream.encode())


def test_an_array_of_frames_gives_the_events_of_its_frames(tmp_path: Path) -> None:
    frames = moving_square()
    np.save(tmp_path / "a.npy", frames)
    np.savez(tmp_path / "a.npz", frames)
    np.save(tmp_path / "color.npy", np.repeat(frames[..., None], 3, -1))
    bright = [torch.from_numpy(frame) / 255.0 for frame in frames]
    expected = from_frames(bright, [k * 10_000.0 for k in range(12)])
    assert len(expected) > 100
    for name in ("a.npy", "a.npz", "color.npy"):
        found = events_from_video(tmp_path / name, rate=100).events
        assert found.dtype == EVENT
        assert np.array_equal(found, expected)
    assert events_from_video(tmp_path / "a.npy", rate=100, most=4).events["t"].max() <= 30_000
    assert len(events_from_video(tmp_path / "a.npy", rate=100, threshold=1.0).events) < len(expected) / 3


def test_a_video_file_brings_its_own_times_and_gives_nearly_the_same_events(tmp_path: Path) -> None:
    frames = moving_square()
    encode(tmp_path / "a.avi", frames)
    np.save(tmp_path / "a.npy", frames)
    coded = events_from_video(tmp_path / "a.avi", threshold=0.5).events
    plain = events_from_video(tmp_path / "a.npy", threshold=0.5, rate=25).events
    assert len(coded) == pytest.approx(len(plain), rel=0.25)
    assert coded["t"].max() <= 11 * 40_000
    on = coded[coded["p"] == 1]
    assert np.polyfit(on["t"], on["x"], 1)[0] * 40_000 == pytest.approx(1.0, abs=0.2)  # a pixel a frame to the right


def test_a_video_cut_short_is_refused_or_read_in_part(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (40, 64, 64), dtype=np.uint8)  # large when compressed
    encode(tmp_path / "a.avi", noise)
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(DataError, match=r"a\.avi: cut off; it announces 40 frames, but holds \d+"):
        events_from_video(tmp_path / "a.avi")
    part = events_from_video(tmp_path / "a.avi", allow_cut=True).events
    assert 0 < part["t"].max() < 39 * 40_000
    (tmp_path / "b.avi").write_bytes(b"no video at all" * 50)
    with pytest.raises(DataError, match=r"b\.avi: not a readable video after 0 frames"):
        events_from_video(tmp_path / "b.avi")
    with pytest.raises(DataError, match=r"c\.avi: not a readable video"):
        events_from_video(tmp_path / "c.avi")


def test_frames_that_cannot_be_are_one_error_with_the_file(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    bright = moving_square() / 255.0
    for frames, message in (
        (
            np.where(np.arange(12)[:, None, None] == 5, np.nan, bright),
            r"frame 5 must be \[H, W\] with values in \[0, 1\]",
        ),
        (bright * 255, "values in"),
        (bright[0], r"the array is \(32, 32\)"),
        (moving_square().astype(np.int32), "pixels of type int32"),
        (bright[:1], "1 frames; change"),
    ):
        np.save(path, frames)
        with pytest.raises(DataError, match=message) as caught:
            events_from_video(path, rate=10)
        assert str(path) in str(caught.value)
    path.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not a readable array"):
        events_from_video(path, rate=10)
    np.savez(tmp_path / "b.npz", a=bright, b=bright)
    with pytest.raises(DataError, match=r"holds arrays \['a', 'b'\]"):
        events_from_video(tmp_path / "b.npz", rate=10)


def test_a_rate_is_given_exactly_where_the_file_has_none(tmp_path: Path) -> None:
    for name, rate in (("a.npy", None), ("a.npy", 0.0), ("a.mp4", 25.0)):
        with pytest.raises(ConfigError, match=f"rate={rate}"):
            events_from_video(tmp_path / name, rate=rate)


def test_without_its_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(DataError, match=r"spikeformers\[video\]"):
        events_from_video(tmp_path / "a.mp4")

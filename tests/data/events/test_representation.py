import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.events.array import make_events
from spikeformers.data.events.representation import (
    REPRESENTATIONS,
    AdaptiveFrames,
    EventCloud,
    Frames,
    TimeSurface,
    VoxelGrid,
    cut,
    rescale,
)

H, W = 6, 9


@st.composite
def recordings(draw: st.DrawFn) -> np.ndarray:
    n = draw(st.integers(0, 60))
    rng = np.random.default_rng(draw(st.integers(0, 1000)))
    span = draw(st.sampled_from([1, 3, 50, 10**7]))
    t = np.sort(rng.integers(0, span, n)) + draw(st.integers(0, 10**15))
    return make_events(rng.integers(0, W, n), rng.integers(0, H, n), t, rng.integers(0, 2, n))


@given(recordings(), st.integers(1, 9), st.sampled_from(["time", "count"]))
@settings(deadline=None)
def test_frames_count_every_event_once(events: np.ndarray, steps: int, by: str) -> None:
    frames = Frames(steps=steps, by=by).represent(events, H, W)  # type: ignore[arg-type]
    assert frames.shape == (steps, 2, H, W)
    assert frames.sum() == len(events)
    slow = np.zeros((2, H, W))
    for e in events:
        slow[e["p"], e["y"], e["x"]] += 1
    assert np.array_equal(frames.sum(0).numpy(), slow)
    if by == "count" and len(events):
        assert (frames.sum((1, 2, 3))[:-1] == len(events) // steps).all()


@given(recordings(), st.integers(1, 9))
@settings(deadline=None)
def test_a_voxel_grid_conserves_the_sign_and_equals_its_formula(events: np.ndarray, steps: int) -> None:
    grid = VoxelGrid(steps=steps).represent(events, H, W)
    sign = events["p"].astype(np.float64) * 2 - 1
    assert grid.sum().item() == pytest.approx(sign.sum(), abs=1e-3)
    slow = np.zeros((steps, 1, H, W))
    if len(events):
        place = (events["t"] - events["t"][0]) * (steps - 1) / max(events["t"][-1] - events["t"][0], 1)
        for e, s, tau in zip(events, sign, place, strict=True):
            for k in range(steps):
                slow[k, 0, e["y"], e["x"]] += s * max(0.0, 1 - abs(k - tau))
    assert np.allclose(grid.numpy(), slow, atol=1e-4)


@given(recordings(), st.integers(1, 9), st.sampled_from(["time", "count"]))
@settings(deadline=None)
def test_slices_cover_every_event_in_order(events: np.ndarray, steps: int, by: str) -> None:
    edges = cut(events["t"], steps, by)  # type: ignore[arg-type]
    assert len(edges) == steps + 1
    assert edges[0] == 0
    assert edges[-1] == len(events)
    assert (np.diff(edges) >= 0).all()


def test_time_slices_are_half_open_and_the_last_takes_the_rest() -> None:
    t = np.array([100, 104, 105, 110, 114, 119, 121])
    assert cut(t, 4, "time").tolist() == [0, 2, 3, 5, 7]  # 5 µs each from 100; the last runs on to 121
    assert cut(t, 3, "count").tolist() == [0, 2, 4, 7]


def test_a_time_surface_decays_from_the_latest_event() -> None:
    events = make_events(np.array([1, 1, 2]), np.array([0, 0, 3]), np.array([0, 40, 100]), np.array([1, 1, 0]))
    surface = TimeSurface(steps=2, tau_us=50.0).represent(events, H, W)
    assert surface[0, 1, 0, 1].item() == pytest.approx(math.exp(-(50 - 40) / 50))
    assert surface[1, 1, 0, 1].item() == pytest.approx(math.exp(-(100 - 40) / 50))
    assert surface[1, 0, 3, 2].item() == pytest.approx(1.0)
    assert surface[0, 0].sum() == 0


@pytest.mark.parametrize("name", REPRESENTATIONS.names())
def test_an_empty_recording_gives_zeros_of_the_usual_shape(name: str) -> None:
    config = REPRESENTATIONS.config(name)
    none = np.zeros(0, np.int64)
    out = config.represent(make_events(none, none, none, none), H, W)
    assert out.shape == config.shape(H, W)
    assert out.dtype == torch.float32
    assert not out.any()


@pytest.mark.parametrize("name", REPRESENTATIONS.names())
def test_events_outside_the_sensor_are_refused(name: str) -> None:
    config = REPRESENTATIONS.config(name)
    one = np.array([3])
    with pytest.raises(DataError, match="event 0 has x=3, outside the sensor of 4×3"):
        config.represent(make_events(one, one, one, one // 3), 4, 3)


@given(recordings(), st.integers(1, 20))
@settings(deadline=None)
def test_rescaling_loses_no_event(events: np.ndarray, size: int) -> None:
    placed = rescale(events, H, W, size)
    assert Frames(steps=2).represent(placed, size, size).sum() == len(events)


def test_rescaling_centers_the_shorter_side() -> None:
    corner = make_events(np.array([0, W - 1]), np.array([0, H - 1]), np.array([0, 1]), np.array([0, 1]))
    placed = rescale(corner, H, W, W)
    assert placed["x"].tolist() == [0, W - 1]
    assert placed["y"].tolist() == [1, H]


@given(recordings(), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_adaptive_frames_count_every_event_once_in_no_more_slices(events: np.ndarray, steps: int, area: int) -> None:
    frames = AdaptiveFrames(steps=steps, area=area).represent(events, H, W)
    assert frames.shape == (steps, 2, H, W)
    assert torch.equal(frames.sum(0), Frames(steps=1).represent(events, H, W)[0])


def test_adaptive_slices_end_when_an_area_is_full() -> None:
    x = np.array([0, 1, 0, 8, 1, 0, 1, 0, 8, 8])  # areas of 4 pixels: seven events in the first, three in the third
    events = make_events(x, x * 0, np.arange(10), x * 0)
    frames = AdaptiveFrames(steps=3, area=4).represent(events, H, W)
    assert frames.sum((1, 2, 3)).tolist() == [3, 4, 3]  # three in one area end a slice; with two there were four slices
    assert AdaptiveFrames(steps=30, area=4).represent(events, H, W).sum((1, 2, 3)).tolist() == [1] * 10 + [0] * 20


@given(recordings(), st.integers(1, 9))
@settings(deadline=None)
def test_what_does_not_divide_can_be_dropped(events: np.ndarray, steps: int) -> None:
    n = len(events)
    assert Frames(steps=steps, by="count", rest="drop").represent(events, H, W).sum() == n // steps * steps
    width = int(events["t"][-1] - events["t"][0]) // steps if n else 0
    inside = (events["t"] < events["t"][0] + steps * width).sum() if n else 0
    assert Frames(steps=steps, rest="drop").represent(events, H, W).sum() == inside


def test_dropped_events_are_those_that_tonic_drops() -> None:
    t = np.arange(0, 1000, 100)  # ten events over 900 µs: tonic's ToFrame(n_time_bins=3) counts nine of them
    events = make_events(t * 0, t * 0, t, t * 0)
    assert Frames(steps=3, rest="drop").represent(events, H, W).sum((1, 2, 3)).tolist() == [3, 3, 3]
    assert Frames(steps=3, by="count", rest="drop").represent(events, H, W).sum((1, 2, 3)).tolist() == [3, 3, 3]


def test_a_cloud_holds_events_in_unit_coordinates() -> None:
    events = make_events(np.array([0, 8, 4]), np.array([0, 5, 0]), np.array([10, 20, 30]), np.array([1, 0, 1]))
    cloud = EventCloud(points=5).represent(events, H, W)
    assert torch.allclose(cloud[:3], torch.tensor([[0, 0, 0, 1.0], [1, 1, 0.5, -1], [0.5, 0, 1, 1]]))
    assert not cloud[3:].any()
    assert torch.equal(EventCloud(points=1).represent(events, H, W), cloud[:1])


@given(recordings(), st.integers(1, 80))
@settings(deadline=None)
def test_a_cloud_takes_events_evenly_and_in_order(events: np.ndarray, points: int) -> None:
    cloud = EventCloud(points=points).represent(events, H, W)
    there = cloud[:, 3] != 0
    assert there.sum() == min(points, len(events))
    assert (cloud[there][:, 2].diff() >= 0).all()
    assert (cloud[:, :3] >= 0).all()
    assert (cloud[:, :3] <= 1).all()


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="steps=0"):
        Frames(steps=0)
    with pytest.raises(ConfigError, match="tau_us=0"):
        TimeSurface(tau_us=0.0)
    with pytest.raises(ConfigError, match="area=0"):
        AdaptiveFrames(area=0)
    with pytest.raises(ConfigError, match="points=0"):
        EventCloud(points=0)

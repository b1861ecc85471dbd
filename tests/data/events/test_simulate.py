import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.events.simulate import FLOOR, from_frames, saccade_path, saccades


def test_the_eye_comes_back_after_three_saccades() -> None:
    path = saccade_path(60, 3.0)
    assert path.shape == (61, 2)
    assert torch.equal(path[0], path[-1])
    assert torch.allclose(path[20], torch.tensor([1.5, 3.0]))
    assert torch.allclose(path[40], torch.tensor([3.0, 0.0]), atol=1e-6)


def test_an_even_image_makes_no_events_away_from_its_border() -> None:
    events = saccades(torch.full((20, 20), 0.5))
    assert ((events["x"] < 4) | (events["x"] > 15) | (events["y"] < 4) | (events["y"] > 15)).all()


def test_events_are_ordered_inside_the_sensor_and_in_time() -> None:
    image = torch.zeros(16, 16)
    image[5:11, 5:11] = 1.0
    events = saccades(image)
    assert len(events) > 200
    assert (np.diff(events["t"]) >= 0).all()
    assert 0 <= events["t"][0] <= events["t"][-1] <= 300_000
    assert events["x"].max() < 16
    assert 0.2 < events["p"].mean() < 0.8


def test_the_number_and_sign_of_events_are_the_change_of_log_intensity_over_the_threshold() -> None:
    levels = [0.1, 0.9, 0.02, 0.5]
    frames = [torch.full((1, 1), v) for v in levels]
    events = from_frames(frames, [0, 100, 200, 300], threshold=0.3)
    level, expected = np.log(levels[0] + FLOOR), []
    for value in levels[1:]:
        steps = int(np.fix((np.log(value + FLOOR) - level) / 0.3))
        expected += [int(steps > 0)] * abs(steps)
        level += steps * 0.3
    assert events["p"].tolist() == expected


def test_crossings_are_timed_where_the_straight_line_crosses() -> None:
    low = 0.1
    high = float((low + FLOOR) * np.exp(1.0) - FLOOR)
    events = from_frames([torch.full((1, 1), v) for v in (low, high)], [1000, 2000], threshold=0.24)
    assert events["t"].tolist() == [1240, 1480, 1720, 1960]


def test_more_frames_of_the_same_ramp_give_the_same_events() -> None:
    ramp = torch.exp(torch.linspace(-2, -0.2, 41))
    frames = [(v - FLOOR).view(1, 1) for v in ramp]
    times = torch.linspace(0, 40_000, 41).tolist()
    fine = from_frames(frames, times)
    coarse = from_frames([frames[0], frames[-1]], [times[0], times[-1]])
    assert np.abs(fine["t"] - coarse["t"]).max() <= 1


def test_bad_frames_are_refused() -> None:
    good = torch.full((2, 2), 0.5)
    with pytest.raises(DataError, match=r"frame 1 must be \[H, W\] with values in \[0, 1\]"):
        from_frames([good, good * torch.nan], [0, 1])
    with pytest.raises(DataError, match="frame 1 has shape"):
        from_frames([good, good[:1]], [0, 1])
    with pytest.raises(DataError, match="frame 1 at 0 µs does not come after"):
        from_frames([good, good], [0, 0])
    with pytest.raises(ConfigError, match="threshold=0"):
        from_frames([good], [0], threshold=0)

import numpy as np
import pytest

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.signals import OUTLIER, band_pass, notch, resample, standardize

RATE = 256
T = np.arange(8 * RATE) / RATE


def tone(hertz: float) -> np.ndarray:
    wave: np.ndarray = np.sin(2 * np.pi * hertz * T)[:, None]
    return wave


def gain(filtered: np.ndarray) -> float:
    """Of a unit tone, away from the ends."""
    return float(np.sqrt(2 * np.square(filtered[2 * RATE : -2 * RATE]).mean()))


@pytest.mark.parametrize(
    ("low", "high", "kept", "lost"),
    [(4, 20, (8, 12), (0.5, 60)), (4, None, (12, 60), (0.5, 1)), (None, 20, (1, 8), (60, 90))],
)
def test_the_band_is_kept_without_delay_and_the_rest_is_lost(
    low: float | None, high: float | None, kept: tuple[float, ...], lost: tuple[float, ...]
) -> None:
    for hertz in kept:
        assert np.abs(band_pass(tone(hertz), RATE, low, high, "a") - tone(hertz))[2 * RATE : -2 * RATE].max() < 0.05
    for hertz in lost:
        assert gain(band_pass(tone(hertz), RATE, low, high, "a")) < 1e-3
    for edge in (low, high):
        if edge is not None:
            assert gain(band_pass(tone(edge), RATE, low, high, "a")) == pytest.approx(0.5, abs=0.01)


def test_the_notch_takes_the_mains_and_leaves_its_neighbors() -> None:
    assert gain(notch(tone(50), RATE, 50, "a")[RATE:-RATE]) < 1e-2
    for hertz in (45, 55):
        assert gain(notch(tone(hertz), RATE, 50, "a")) > 0.9


def test_nothing_asked_for_changes_nothing() -> None:
    x = tone(10)
    assert notch(band_pass(resample(x, 256, 256), RATE, None, None, "a"), RATE, None, "a") is x


def test_channels_are_resampled_one_by_one() -> None:
    x = np.concatenate([tone(5), 2 * tone(5)], 1)
    out = resample(x, 256, 100)
    assert out.shape == (800, 2)
    want = np.sin(2 * np.pi * 5 * np.arange(800) / 100)
    assert np.abs(out - want[:, None] * [1, 2])[50:-50].max() < 0.01


def test_signals_come_to_zero_median_and_unit_deviation_and_artefacts_are_cut() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal([3, -40], [2, 0.5], (4000, 2))
    x[7] = 1e6
    out = standardize(x, x, "a")
    assert np.abs(np.median(out, axis=0)).max() < 1e-6
    assert np.abs(out.std(0) - 1).max() < 0.05
    assert out[7].tolist() == [OUTLIER, OUTLIER]
    half = standardize(x, x[:100], "a")  # scales are those of the rows that may be looked at
    assert np.abs(np.median(half[:100], axis=0)).max() < 1e-6


def test_what_cannot_be_filtered_is_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"low_hz=20 and high_hz=4 must lie, in this order, between 0 and half the rate, 128 Hz"
    ):
        band_pass(tone(5), RATE, 20, 4, "a")
    with pytest.raises(ConfigError, match="low_hz=None and high_hz=128"):
        band_pass(tone(5), RATE, None, 128, "a")
    with pytest.raises(ConfigError, match="notch_hz=200"):
        notch(tone(5), RATE, 200, "a")
    with pytest.raises(DataError, match=r"a\.edf: 10 samples are too short to filter; more than 27"):
        band_pass(tone(5)[:10], RATE, 4, 20, "a.edf")
    with pytest.raises(DataError, match=r"a\.edf: channel 1 never changes"):
        standardize(np.concatenate([tone(5), 0 * tone(5)], 1), np.concatenate([tone(5), 0 * tone(5)], 1), "a.edf")

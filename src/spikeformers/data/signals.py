"""Signals in time: other rates, filters without delay, robust scales. Arrays are [N] or [N, channels]."""

from math import gcd

import numpy as np

from spikeformers.core.errors import ConfigError, DataError

OUTLIER = 10.0
"""Values further than this many robust deviations from a channel's median are taken for artefacts."""
ORDER = 4
"""Of the Butterworth filters; run forth and back, their slopes are those of twice the order."""
NOTCH_QUALITY = 30.0
"""Frequency over width of the notch."""


def resample(signal: np.ndarray, found: int, wanted: int) -> np.ndarray:
    """A signal at another number of samples per second: ceil(N · wanted / found) samples, band-limited, no delay."""
    if found == wanted:
        return signal
    from scipy.signal import resample_poly

    common = gcd(found, wanted)
    out: np.ndarray = resample_poly(signal, wanted // common, found // common, axis=0).astype(np.float32)
    return out


def band_pass(signal: np.ndarray, rate: float, low_hz: float | None, high_hz: float | None, origin: str) -> np.ndarray:
    """What lies between two frequencies: a Butterworth filter run forth and back (no delay, so not causal).

    Args:
        signal: [N, channels].
        rate: samples per second.
        low_hz, high_hz: where the gain is one half; None leaves that side open.
        origin: where the signal comes from, for messages.

    Raises:
        ConfigError: the band is empty or goes beyond half the rate.
        DataError: the signal is too short for the filter.
    """
    if low_hz is None and high_hz is None:
        return signal
    edges = [edge for edge in (low_hz, high_hz) if edge is not None]
    if not all(0 < edge < rate / 2 for edge in edges) or edges != sorted(set(edges)):
        raise ConfigError(
            f"low_hz={low_hz} and high_hz={high_hz} must lie, in this order, between 0 and half the rate, {rate / 2:g} Hz"
        )
    from scipy.signal import butter, sosfiltfilt

    kind = "bandpass" if len(edges) == 2 else "highpass" if high_hz is None else "lowpass"
    sections = butter(ORDER, edges if len(edges) == 2 else edges[0], kind, fs=rate, output="sos")
    _check_length(signal, 3 * (2 * len(sections) + 1), origin)
    out: np.ndarray = sosfiltfilt(sections, signal, axis=0)
    return out


def notch(signal: np.ndarray, rate: float, hertz: float | None, origin: str) -> np.ndarray:
    """A signal [N, channels] without one frequency (mains hum): a narrow filter run forth and back.

    Raises:
        ConfigError: the frequency is not below half the rate.
        DataError: the signal is too short for the filter.
    """
    if hertz is None:
        return signal
    if not 0 < hertz < rate / 2:
        raise ConfigError(f"notch_hz={hertz} must lie between 0 and half the rate, {rate / 2:g} Hz; or leave it unset")
    from scipy.signal import filtfilt, iirnotch

    b, a = iirnotch(hertz, NOTCH_QUALITY, fs=rate)
    _check_length(signal, 3 * len(a), origin)
    out: np.ndarray = filtfilt(b, a, signal, axis=0)
    return out


def standardize(signals: np.ndarray, known: np.ndarray, origin: str) -> np.ndarray:
    """Zero median and unit robust deviation per channel, as found in `known`; artefacts are cut to `OUTLIER`.

    Args:
        signals: [N, channels].
        known: rows that may be looked at (the training part) [M, channels].
        origin: where they come from, for messages.

    Raises:
        DataError: a channel never changes.
    """
    median = np.median(known, axis=0)
    deviation = 1.4826 * np.median(np.abs(known - median), axis=0)
    if not (deviation > 0).all():
        still = int(np.flatnonzero(deviation <= 0)[0])
        raise DataError(f"{origin}: channel {still} never changes, so it cannot be brought to unit deviation")
    scaled: np.ndarray = np.clip((signals - median) / deviation, -OUTLIER, OUTLIER).astype(np.float32)
    return scaled


def _check_length(signal: np.ndarray, least: int, origin: str) -> None:
    if len(signal) <= least:
        raise DataError(f"{origin}: {len(signal)} samples are too short to filter; more than {least} are needed")

"""Spectra against sums written out one by one."""

import math

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError
from spikeformers.data.audio.spectrum import cosine_basis, log_mel, mel_filters, power_spectrum

RATE, WINDOW, HOP = 8000, 64, 40


def brute_power(sound: np.ndarray) -> np.ndarray:
    """Squared magnitudes [bins, T] by the definition of the Fourier sum over centered, zero-padded Hann windows."""
    padded = np.concatenate([np.zeros(WINDOW // 2), sound, np.zeros(WINDOW // 2)])
    out = []
    for start in range(0, len(sound) + 1, HOP):
        row = []
        for k in range(WINDOW // 2 + 1):
            total = 0j
            for n in range(WINDOW):
                hann = 0.5 - 0.5 * math.cos(2 * math.pi * n / WINDOW)
                total += (
                    padded[start + n]
                    * hann
                    * complex(math.cos(2 * math.pi * k * n / WINDOW), -math.sin(2 * math.pi * k * n / WINDOW))
                )
            row.append(abs(total) ** 2)
        out.append(row)
    return np.array(out).T


def brute_filter(band: int, bands: int, low: float, high: float, hertz: float) -> float:
    """Height of one triangle at one frequency."""
    mels = [2595 * math.log10(1 + f / 700) for f in (low, high)]
    left, center, right = (
        700 * (10 ** ((mels[0] + (mels[1] - mels[0]) * (band + i) / (bands + 1)) / 2595) - 1) for i in range(3)
    )
    if left < hertz <= center:
        return (hertz - left) / (center - left)
    return (right - hertz) / (right - center) if center < hertz < right else 0.0


def test_log_energies_equal_sums_written_out() -> None:
    sound = np.random.default_rng(0).standard_normal(200) * 0.1
    power = brute_power(sound)
    got = power_spectrum(torch.tensor(sound)[None], window=WINDOW, hop=HOP)[0]
    np.testing.assert_allclose(got.numpy(), power, rtol=1e-5, atol=1e-8)
    bins = [k * RATE / WINDOW for k in range(WINDOW // 2 + 1)]
    for low, high in ((0.0, 4000.0), (200.0, 3000.0)):
        want = [
            [
                math.log(sum(brute_filter(b, 5, low, high, f) * p for f, p in zip(bins, frame, strict=True)) + 1e-6)
                for b in range(5)
            ]
            for frame in power.T
        ]
        sounds = torch.tensor(sound, dtype=torch.float32)[None]
        got = log_mel(sounds, rate=RATE, bands=5, window=WINDOW, hop=HOP, low_hz=low, high_hz=high)[0]
        np.testing.assert_allclose(got.numpy(), want, rtol=1e-4, atol=1e-4)


def test_the_cosine_basis_is_the_orthonormal_transform_of_scipy() -> None:
    fft = pytest.importorskip("scipy.fft")
    x = np.random.default_rng(0).standard_normal((3, 20))
    want = fft.dct(x, type=2, norm="ortho", axis=1)
    np.testing.assert_allclose(x @ cosine_basis(20, 20).double().numpy().T, want, atol=1e-6)
    np.testing.assert_allclose(x @ cosine_basis(7, 20).double().numpy().T, want[:, :7], atol=1e-6)


def test_a_tone_lands_in_the_band_of_its_frequency() -> None:
    filters = mel_filters(40, 129, 8000)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)
    energies = log_mel(tone[None], rate=8000, bands=40, window=256, hop=100)[0]
    assert energies.shape == (81, 40)
    assert (energies[5:-5].argmax(1) == filters[:, 32].argmax()).all()  # bin 32 of 128 is 1000 Hz


def test_filters_that_no_bin_falls_into_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"band 0 of 128 .* would stay silent; take fewer bands or a longer window"):
        mel_filters(128, 129, 8000)
    with pytest.raises(ConfigError, match="from 0 to 5000 Hz must lie between 0 and half the rate, 4000 Hz"):
        mel_filters(10, 129, 8000, high_hz=5000)

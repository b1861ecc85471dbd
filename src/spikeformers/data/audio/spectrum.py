"""Spectra of sounds by `torch.stft`: mel filters, log energies, cepstral coefficients."""

import math

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError


def mel(hertz: float) -> float:
    r"""The mel scale (HTK), $2595\log_{10}(1+f/700)$."""
    return 2595 * math.log10(1 + hertz / 700)


def mel_filters(bands: int, bins: int, rate: int, low_hz: float = 0.0, high_hz: float | None = None) -> Tensor:
    """Triangles [bands, bins] of height 1 whose corners are evenly spaced on the mel scale.

    Args:
        bands: filters.
        bins: of the spectrum, evenly spaced from 0 to half the rate.
        rate: samples per second.
        low_hz: where the first triangle starts.
        high_hz: where the last ends; by default half the rate.

    Raises:
        ConfigError: the range is empty or goes beyond half the rate, or a filter is so narrow that no bin is in it.
    """
    top = rate / 2 if high_hz is None else high_hz
    if not 0 <= low_hz < top <= rate / 2:
        raise ConfigError(f"bands from {low_hz:g} to {top:g} Hz must lie between 0 and half the rate, {rate / 2:g} Hz")
    corners = torch.linspace(mel(low_hz), mel(top), bands + 2, dtype=torch.float64)
    corners = 700 * (10 ** (corners / 2595) - 1)
    frequencies = torch.linspace(0, rate / 2, bins, dtype=torch.float64)
    low, mid, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    filters = torch.minimum((frequencies - low) / (mid - low), (high - frequencies) / (high - mid)).clamp(min=0)
    empty = (filters.sum(1) == 0).nonzero()
    if len(empty):
        band = int(empty[0])
        raise ConfigError(
            f"band {band} of {bands} ({float(corners[band]):.0f} … {float(corners[band + 2]):.0f} Hz) is narrower than the "
            f"{rate / 2 / (bins - 1):.1f} Hz between two bins and would stay silent; take fewer bands or a longer window"
        )
    return filters.float()


def power_spectrum(sounds: Tensor, *, window: int, hop: int) -> Tensor:
    """Squared magnitudes [n, window // 2 + 1, T] of sounds [n, N], centered Hann windows, T = N // hop + 1."""
    spectrum = torch.stft(
        sounds, n_fft=window, hop_length=hop, window=torch.hann_window(window), return_complex=True, pad_mode="constant"
    )
    return spectrum.abs().square()


def log_mel(
    sounds: Tensor,
    *,
    rate: int,
    bands: int,
    window: int,
    hop: int,
    low_hz: float = 0.0,
    high_hz: float | None = None,
    floor: float = 1e-6,
) -> Tensor:
    """Log energies [n, T, bands] of sounds [n, N], one step every `hop` samples, T = N // hop + 1.

    Raises:
        ConfigError: as `mel_filters`.
    """
    power = power_spectrum(sounds, window=window, hop=hop)
    filters = mel_filters(bands, power.shape[1], rate, low_hz, high_hz)
    return torch.log(filters @ power + floor).transpose(1, 2)


def cosine_basis(count: int, bands: int) -> Tensor:
    r"""The first `count` rows of the orthonormal DCT-II, $\sqrt{2/K}\cos\frac{\pi q(2k+1)}{2K}$ (row 0 over $\sqrt2$)."""
    q, k = torch.arange(count, dtype=torch.float64)[:, None], torch.arange(bands, dtype=torch.float64)
    basis = torch.cos(math.pi * q * (2 * k + 1) / (2 * bands)) * math.sqrt(2 / bands)
    basis[0] /= math.sqrt(2)
    return basis.float()

"""A model of the inner ear: gammatone filters, hair cells, and neurons that integrate and fire."""

import math

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError

ORDER = 4
"""Of the gammatone filters; fits human auditory filters."""
TAIL_SECONDS = 0.1
"""Length of the impulse responses; the narrowest filter (ERB 25 Hz) has decayed to 1e-4 of its peak by then."""


def erb(hertz: Tensor) -> Tensor:
    """Equivalent rectangular bandwidth of the human auditory filter at a frequency, in Hz. Source: Glasberg & Moore 1990."""
    return 24.7 * (4.37e-3 * hertz + 1)


def erb_centers(bands: int, low_hz: float, high_hz: float) -> Tensor:
    r"""Frequencies [bands] from low to high, evenly spaced on the ERB-rate scale $21.4\log_{10}(1+0.00437f)$."""
    low, high = (21.4 * math.log10(1 + 4.37e-3 * f) for f in (low_hz, high_hz))
    rates = torch.linspace(low, high, bands, dtype=torch.float64)
    return (10 ** (rates / 21.4) - 1) / 4.37e-3


def gammatone_filters(bands: int, rate: int, low_hz: float, high_hz: float) -> Tensor:
    r"""Impulse responses [bands, taps], $t^{n-1}e^{-2\pi bt}\cos 2\pi ft$ with $b=1.019\,\mathrm{ERB}(f)$ and gain 1 at f.

    Source: Patterson, Nimmo-Smith, Holdsworth & Rice, "An efficient auditory filterbank based on the gammatone function",
    1987.

    Raises:
        ConfigError: the range is empty or goes beyond half the rate.
    """
    if not 0 < low_hz < high_hz < rate / 2:
        raise ConfigError(
            f"bands from {low_hz:g} to {high_hz:g} Hz must lie between 0 and half the rate, {rate / 2:g} Hz"
        )
    centers = erb_centers(bands, low_hz, high_hz)[:, None]
    t = torch.arange(round(TAIL_SECONDS * rate), dtype=torch.float64) / rate
    carrier = torch.cos(2 * math.pi * centers * t)
    response = t ** (ORDER - 1) * torch.exp(-2 * math.pi * 1.019 * erb(centers) * t) * carrier
    gain = (response * torch.exp(-2j * math.pi * centers * t)).sum(1, keepdim=True).abs()
    return (response / gain).float()


def filter_bank(sounds: Tensor, filters: Tensor) -> Tensor:
    """Causal convolution of sounds [n, N] with impulse responses [bands, taps]: [n, bands, N]."""
    count = sounds.shape[-1]
    size = 1 << (count + filters.shape[-1] - 2).bit_length()
    product = torch.fft.rfft(sounds, size)[:, None] * torch.fft.rfft(filters, size)
    return torch.fft.irfft(product, size)[..., :count]


def hair_cells(motion: Tensor, exponent: float) -> Tensor:
    """Receptor currents: half-wave rectified, then compressed by a power law, so that loud and soft sounds both tell."""
    return motion.clamp(min=0).pow(exponent)


def fire(charge: Tensor, threshold: float) -> Tensor:
    r"""Spike counts of integrate-and-fire neurons with soft reset: $\lfloor C_t/\theta\rfloor-\lfloor C_{t-1}/\theta\rfloor$.

    Args:
        charge: what reaches a neuron in each step, not negative, [n, T, bands]; C is its sum up to t.
        threshold: charge of a spike, θ.
    """
    levels = (charge.double().cumsum(1) / threshold).floor()
    return torch.diff(levels, dim=1, prepend=torch.zeros_like(levels[:, :1])).to(charge.dtype)

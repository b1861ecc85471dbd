"""Sound: reading wav files with the standard library, log-mel spectrograms by torch."""

import math
import wave
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError

DEPTHS = {1: ("u1", 128.0, 128.0), 2: ("<i2", 0.0, 32768.0), 4: ("<i4", 0.0, 2147483648.0)}
"""Bytes a value → type, what silence is, and full scale."""


def read_wav(path: Path, rate: int) -> Tensor:
    """Samples in [-1, 1] of a PCM wav file, channels averaged.

    Args:
        path: the file.
        rate: samples per second it must have.

    Raises:
        DataError: no PCM wav file, cut off, empty, or at another rate.
    """
    try:
        with wave.open(str(path), "rb") as file:
            channels, width, found, count = (
                file.getnchannels(),
                file.getsampwidth(),
                file.getframerate(),
                file.getnframes(),
            )
            data = file.readframes(count)
    except (wave.Error, EOFError) as error:
        raise DataError(
            f"{path} ({path.stat().st_size} bytes): not a readable PCM wav file: {error or 'it ends early'}"
        ) from None
    if width not in DEPTHS:
        raise DataError(f"{path}: {8 * width} bits a value; 8, 16 and 32 are known")
    if len(data) != count * channels * width:
        have = len(data) // (channels * width)
        raise DataError(f"{path}: the header announces {count} samples, but the data end after {have}")
    if found != rate:
        raise DataError(f"{path}: {found} samples per second, wanted {rate}")
    if count == 0:
        raise DataError(f"{path}: holds no sound")
    kind, silence, scale = DEPTHS[width]
    values = (np.frombuffer(data, kind).astype(np.float32) - silence) / scale
    return torch.from_numpy(values.reshape(-1, channels).mean(1))


def mel_filters(bands: int, bins: int, rate: int) -> Tensor:
    r"""Triangles [bands, bins], evenly spaced on the mel scale $2595\log_{10}(1+f/700)$ from 0 to half the rate."""
    top = 2595 * math.log10(1 + rate / 2 / 700)
    corners = 700 * (10 ** (torch.linspace(0, top, bands + 2) / 2595) - 1)
    frequencies = torch.linspace(0, rate / 2, bins)
    low, mid, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    return torch.minimum((frequencies - low) / (mid - low), (high - frequencies) / (high - mid)).clamp(min=0)


def log_mel(sounds: Tensor, *, rate: int, bands: int, window: int, hop: int, floor: float = 1e-6) -> Tensor:
    """Log energies [n, T, bands] of sounds [n, N], one step every `hop` samples, T = N // hop + 1."""
    spectrum = torch.stft(
        sounds, n_fft=window, hop_length=hop, window=torch.hann_window(window), return_complex=True, pad_mode="constant"
    )
    power = spectrum.abs().square()
    return torch.log(mel_filters(bands, power.shape[1], rate) @ power + floor).transpose(1, 2)

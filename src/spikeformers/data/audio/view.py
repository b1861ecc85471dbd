"""From sounds to steps: named views that turn samples [n, N] into features or spikes [n, T, D]."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.data.audio import cochlea
from spikeformers.data.audio.spectrum import cosine_basis, log_mel

SOUNDS: Registry["SoundConfig"] = Registry("sound view", "spikeformers.data.audio")


@dataclass(frozen=True, kw_only=True)
class SoundConfig(Config):
    """Abstract: how a sound becomes T steps of D values."""

    registry: ClassVar = SOUNDS

    steps: int = 64
    """Time steps T; longer recordings are cut, shorter ones padded with silence."""
    hop: int = 100
    """Samples between two steps (at 8 kHz 100 is 12.5 ms)."""

    def __post_init__(self) -> None:
        for name in ("steps", "hop"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")

    @property
    def length(self) -> int:
        """Samples of sound that the steps cover."""
        return self.steps * self.hop

    @property
    def features(self) -> int:
        """Values of a step, D."""
        raise NotImplementedError

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        """Steps [n, T, D] of sounds [n, length] in [-1, 1] with `rate` samples per second.

        Raises:
            ConfigError: the settings do not fit the rate.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class SpectralConfig(SoundConfig):
    """Abstract: views that start from log energies of mel bands."""

    bands: int = 40
    """Mel bands."""
    window: int = 256
    """Samples of the window of a step."""
    low_hz: float = 0.0
    """Where the lowest band starts."""
    high_hz: float | None = None
    """Where the highest band ends; by default half the rate."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("bands", "window"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")

    def energies(self, sounds: Tensor, rate: int) -> Tensor:
        """Log energies [n, T, bands]."""
        whole = log_mel(
            sounds,
            rate=rate,
            bands=self.bands,
            window=self.window,
            hop=self.hop,
            low_hz=self.low_hz,
            high_hz=self.high_hz,
        )
        return whole[:, : self.steps]


@SOUNDS.register("log_mel", source="Davis & Mermelstein, IEEE TASSP 28(4), 1980 (mel bands)")
@dataclass(frozen=True, kw_only=True)
class LogMel(SpectralConfig):
    """Log energies of mel bands, shifted and scaled by two constants."""

    mean: float = -9.1
    """What is subtracted; the default is the mean of Free Spoken Digits with the other defaults."""
    std: float = 5.1
    """What is divided by; the default is the deviation of Free Spoken Digits with the other defaults."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.std > 0:
            raise ConfigError(f"std={self.std} must be above 0")

    @property
    def features(self) -> int:
        return self.bands

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        return (self.energies(sounds, rate) - self.mean) / self.std


@SOUNDS.register("mfcc", source="Davis & Mermelstein, IEEE TASSP 28(4), 1980")
@dataclass(frozen=True, kw_only=True)
class MFCC(SpectralConfig):
    """Mel-frequency cepstral coefficients: orthonormal DCT-II of the log energies, each standardized over its recording."""

    coefficients: int = 13
    """How many are kept, from the zeroth (loudness) on; at most `bands`."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.coefficients <= self.bands:
            raise ConfigError(f"coefficients={self.coefficients} must lie between 1 and bands={self.bands}")

    @property
    def features(self) -> int:
        return self.coefficients

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        cepstra = self.energies(sounds, rate) @ cosine_basis(self.coefficients, self.bands).T
        centered = cepstra - cepstra.mean(1, keepdim=True)
        return centered / centered.square().mean(1, keepdim=True).sqrt().clamp(min=1e-3)


@SOUNDS.register("speech_to_spikes", source="Stewart, Danielescu, Shea & Friedman, NICE 2023; Accenture/speech2spikes")
@dataclass(frozen=True, kw_only=True)
class SpeechToSpikes(SpectralConfig):
    r"""Signed delta modulation of log mel energies $x_t$: spikes in {-1, 0, 1}, at most one a step and band.

    $$s_t=[x_t-r_{t-1}>\theta]-[x_t-r_{t-1}<-\theta],\qquad r_t=r_{t-1}+\theta s_t,\qquad r_{-1}=\mathrm{round}(x_0)$$

    The authors take 20 bands from 20 to 4000 Hz, a window of 512 and a hop of 80 samples at 16 kHz.
    """

    threshold: float = 1.0
    """Change of log energy that one spike tells, θ."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive("threshold", self.threshold)

    @property
    def features(self) -> int:
        return self.bands

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        told = None
        spikes = []
        for energy in self.energies(sounds, rate).unbind(1):
            told = energy.round() if told is None else told
            gap = energy - told
            spike = (gap > self.threshold).to(gap.dtype) - (gap < -self.threshold).to(gap.dtype)
            told = told + self.threshold * spike
            spikes.append(spike)
        return torch.stack(spikes, 1)


@SOUNDS.register("level_crossings", source="Miskowicz, Sensors 6(1), 2006 (send-on-delta)")
@dataclass(frozen=True, kw_only=True)
class LevelCrossings(SpectralConfig):
    r"""Send-on-delta of log mel energies: how many levels, θ apart, each band crosses in a step, up and down apart.

    With $q_t=\mathrm{round}(x_t/\theta)$ the D = 2·bands values are $\max(q_t-q_{t-1},0)$ and $\max(q_{t-1}-q_t,0)$, where
    $q_{-1}$ is the level of silence. Their running difference times θ stays within θ/2 of the energies.
    """

    threshold: float = 1.0
    """Distance between two levels of log energy, θ."""

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive("threshold", self.threshold)

    @property
    def features(self) -> int:
        return 2 * self.bands

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        energies = self.energies(torch.cat([torch.zeros_like(sounds[:1]), sounds]), rate)
        levels = (energies / self.threshold).round()
        change = torch.diff(levels[1:], dim=1, prepend=levels[:1, :1].expand(len(sounds), -1, -1))
        return torch.cat([change.clamp(min=0), (-change).clamp(min=0)], dim=2)


@SOUNDS.register("cochlea", source="Patterson et al. 1987 (gammatone); Glasberg & Moore 1990 (bandwidths)")
@dataclass(frozen=True, kw_only=True)
class Cochlea(SoundConfig):
    """Spike counts of a simple inner ear: gammatone filters, rectified and compressed, drive integrate-and-fire neurons."""

    bands: int = 40
    """Places on the basilar membrane, evenly spaced on the ERB-rate scale; one neuron each."""
    low_hz: float = 100.0
    """Center of the lowest filter."""
    high_hz: float = 3500.0
    """Center of the highest filter, below half the rate."""
    exponent: float = 0.4
    """Of the compression, above 0 and at most 1 (none)."""
    rate_hz: float = 200.0
    """Spikes a second that a full-scale current (1) drives."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bands < 1:
            raise ConfigError(f"bands={self.bands} must be at least 1")
        if not 0 < self.exponent <= 1:
            raise ConfigError(f"exponent={self.exponent} must be above 0 and at most 1")
        _check_positive("rate_hz", self.rate_hz)

    @property
    def features(self) -> int:
        return self.bands

    def view(self, sounds: Tensor, rate: int) -> Tensor:
        filters = cochlea.gammatone_filters(self.bands, rate, self.low_hz, self.high_hz)
        counts = []
        for sound in sounds.split(1):  # one at a time: the filtered sounds are `bands` times as large
            current = cochlea.hair_cells(cochlea.filter_bank(sound, filters), self.exponent)
            charge = current.unflatten(2, (self.steps, self.hop)).sum(3).transpose(1, 2) / rate
            counts.append(cochlea.fire(charge, 1 / self.rate_hz))
        return torch.cat(counts)


def _check_positive(name: str, value: float) -> None:
    if not value > 0:
        raise ConfigError(f"{name}={value} must be above 0")

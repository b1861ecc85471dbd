"""Every way from sound to steps: shapes, statistics, and the property each is named for."""

import numpy as np
import pytest
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.audio import cochlea
from spikeformers.data.audio.aligned import AlignedLogMel
from spikeformers.data.audio.view import MFCC, SOUNDS, Cochlea, LevelCrossings, LogMel, SoundConfig, SpeechToSpikes

RATE = 8000


def tones(*hertz: float, amplitude: float = 0.5, count: int = 6400) -> Tensor:
    t = torch.arange(count) / RATE
    return torch.stack([amplitude * torch.sin(2 * torch.pi * f * t) for f in hertz])


@pytest.fixture(params=SOUNDS.names())
def config(request: pytest.FixtureRequest) -> SoundConfig:
    return SOUNDS.config(request.param)


def test_every_view_has_the_shape_it_states_and_sounds_do_not_touch_each_other(config: SoundConfig) -> None:
    sounds = torch.randn(3, config.length) * 0.1
    x = config.view(sounds, RATE)
    assert x.shape == (3, config.steps, config.features)
    assert x.dtype == torch.float32
    assert torch.isfinite(x).all()
    assert torch.allclose(config.view(sounds[1:2], RATE)[0], x[1], atol=1e-5)


def test_every_view_of_silence_is_finite_and_says_nothing(config: SoundConfig) -> None:
    x = config.view(torch.zeros(1, config.length), RATE)
    assert torch.isfinite(x).all()
    if not isinstance(config, LogMel):
        assert x.abs().max() < 1e-6


def test_steps_and_hop_must_be_positive(config: SoundConfig) -> None:
    for name in ("steps", "hop", "bands"):
        with pytest.raises(ConfigError, match=f"{name}=0"):
            config.but(**{name: 0})
    frames = config.heard if isinstance(config, AlignedLogMel) else 5
    assert config.but(steps=5, hop=7).length == 7 * frames


def test_coefficients_have_zero_mean_and_unit_deviation_over_a_recording() -> None:
    x = MFCC(coefficients=7).view(torch.randn(2, 6400), RATE)
    assert x.shape == (2, 64, 7)
    assert x.mean(1).abs().max() < 1e-4
    assert (x.std(1, correction=0) - 1).abs().max() < 1e-3
    louder = MFCC(coefficients=7).view(10 * torch.randn(2, 6400, generator=torch.Generator().manual_seed(0)), RATE)
    softer = MFCC(coefficients=7).view(torch.randn(2, 6400, generator=torch.Generator().manual_seed(0)), RATE)
    assert torch.allclose(louder, softer, atol=1e-2)
    with pytest.raises(ConfigError, match="coefficients=41 must lie between 1 and bands=40"):
        MFCC(coefficients=41)


def test_aligned_recordings_are_alike_however_late_slow_or_loud() -> None:
    config = AlignedLogMel(steps=16, bands=20, heard=64)

    def recording(start: int, length: int, gain: float) -> Tensor:
        rising = torch.linspace(300, 1500, length) / RATE  # a tone that glides upward
        sound = torch.zeros(config.length)
        sound[start : start + length] = gain * torch.sin(2 * torch.pi * rising.cumsum(0))
        return sound

    both = torch.stack([recording(500, 1600, 0.1), recording(2000, 3200, 0.8)])
    one, other = config.view(both, RATE)
    assert torch.corrcoef(torch.stack([one.flatten(), other.flatten()]))[0, 1] > 0.85
    assert one.mean().abs() < 1e-5
    assert one.std(correction=0) == pytest.approx(1, abs=1e-4)
    plain = LogMel(steps=64, bands=20).view(both, RATE)
    assert torch.corrcoef(plain.flatten(1))[0, 1] < 0.5
    with pytest.raises(ConfigError, match=r"quiet=1\.0"):
        AlignedLogMel(quiet=1.0)
    with pytest.raises(ConfigError, match="heard=0"):
        AlignedLogMel(heard=0)


def test_speech_to_spikes_follows_its_recurrence_spike_by_spike() -> None:
    config = SpeechToSpikes(bands=6, threshold=0.7)
    sounds = torch.randn(1, config.length) * torch.linspace(0, 1, config.length)
    spikes = config.view(sounds, RATE)[0]
    energies = config.energies(sounds, RATE)[0].tolist()
    for band in range(6):
        told = round(energies[0][band])
        for t, frame in enumerate(energies):
            spike = int(frame[band] - told > 0.7) - int(frame[band] - told < -0.7)
            told += 0.7 * spike
            assert spikes[t, band] == spike
    assert set(spikes.unique().tolist()) == {-1.0, 0.0, 1.0}
    assert SpeechToSpikes(bands=6, threshold=3.0).view(sounds, RATE).abs().sum() < spikes.abs().sum() / 2


@pytest.mark.parametrize("threshold", [0.5, 1.0, 2.0])
def test_level_crossings_tell_the_energies_to_half_a_level(threshold: float) -> None:
    config = LevelCrossings(bands=6, threshold=threshold)
    sounds = torch.randn(2, config.length) * torch.linspace(0, 1, config.length)
    x = config.view(sounds, RATE)
    assert x.min() == 0
    assert torch.equal(x, x.round())
    assert not (x[..., :6] * x[..., 6:]).any()
    silence = config.energies(torch.zeros(1, config.length), RATE)[:, :1]
    told = threshold * ((x[..., :6] - x[..., 6:]).cumsum(1) + (silence / threshold).round())
    assert (told - config.energies(sounds, RATE)).abs().max() <= threshold / 2 + 1e-4


def test_the_cochlea_fires_most_at_the_place_of_the_tone() -> None:
    config = Cochlea(bands=20)
    counts = config.view(tones(300, 1000, 2500), RATE)
    centers = cochlea.erb_centers(20, 100, 3500)
    for hertz, sample in zip((300, 1000, 2500), counts, strict=True):
        place = int((centers - hertz).abs().argmin())
        assert abs(int(sample.sum(0).argmax()) - place) <= 1
        assert sample.sum(0)[place] > 3 * sample.sum(0)[[0, 19]].mean()


def test_the_spikes_of_the_cochlea_count_what_the_currents_charge() -> None:
    config = Cochlea(bands=8, rate_hz=300.0)
    sounds = tones(700)
    counts = config.view(sounds, RATE)[0]
    filters = cochlea.gammatone_filters(8, RATE, 100, 3500)
    current = cochlea.hair_cells(cochlea.filter_bank(sounds, filters), 0.4)[0].double()
    assert torch.equal(counts, counts.round())
    assert (counts.sum(0) - (current.sum(1) / RATE * 300)).abs().max() <= 1
    assert (config.but(rate_hz=600.0).view(sounds, RATE)[0].sum() / counts.sum() - 2).abs() < 0.1


def test_loud_sounds_are_compressed() -> None:
    soft, loud = (Cochlea(bands=8).view(tones(700, amplitude=a), RATE).sum() for a in (0.05, 0.5))
    assert (loud / soft - 10**0.4).abs() < 0.2
    with pytest.raises(ConfigError, match="exponent=0"):
        Cochlea(exponent=0)


def test_gammatone_filters_have_unit_gain_at_their_center_and_the_bandwidth_of_the_ear() -> None:
    filters = cochlea.gammatone_filters(10, 16000, 100, 6000).double().numpy()
    for center, response in zip(cochlea.erb_centers(10, 100, 6000).numpy(), filters, strict=True):
        t = np.arange(len(response)) / 16000
        assert abs(np.abs((response * np.exp(-2j * np.pi * center * t)).sum()) - 1) < 1e-4
        gains = np.abs(np.fft.rfft(response, 1 << 16)) ** 2
        bandwidth = gains.sum() * 16000 / (1 << 16) / gains.max()  # of the rectangle of equal area and height
        assert abs(bandwidth / (24.7 * (4.37e-3 * center + 1)) - 1) < 0.05


def test_filtering_is_the_causal_sum() -> None:
    sounds, filters = torch.randn(2, 30), torch.randn(3, 8)
    got = cochlea.filter_bank(sounds, filters)
    for n in range(30):
        want = sum(filters[:, k] * sounds[:, n - k, None] for k in range(min(n + 1, 8)))
        assert torch.allclose(got[:, :, n], want, atol=1e-5)


def test_bands_outside_the_rate_are_refused() -> None:
    with pytest.raises(ConfigError, match="from 100 to 5000 Hz must lie between 0 and half the rate, 4000 Hz"):
        Cochlea(high_hz=5000.0).view(tones(300), RATE)
    with pytest.raises(ConfigError, match="std=0"):
        LogMel(std=0)
    with pytest.raises(ConfigError, match="threshold=0"):
        SpeechToSpikes(threshold=0)

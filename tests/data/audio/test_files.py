from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import DataError
from spikeformers.data.audio.files import SoundFiles, load_sound
from spikeformers.data.audio.view import LogMel
from spikeformers.data.formats.wav import write_wav
from spikeformers.data.signals import resample


def tone(hertz: float, rate: int, count: int) -> np.ndarray:
    wave: np.ndarray = 0.5 * np.sin(2 * np.pi * hertz * np.arange(count) / rate)
    return wave


@pytest.mark.parametrize(("found", "wanted"), [(16000, 8000), (8000, 16000), (44100, 8000), (22050, 16000)])
def test_a_resampled_tone_is_the_tone_at_the_other_rate(found: int, wanted: int) -> None:
    out = resample(tone(440, found, found // 5).astype(np.float32), found, wanted)
    assert out.dtype == np.float32
    assert len(out) == -(-(found // 5) * wanted // found)
    middle = slice(len(out) // 4, -len(out) // 4)
    assert np.abs(out - tone(440, wanted, len(out)))[middle].max() < 5e-3


def test_tones_above_half_the_new_rate_do_not_fold_back() -> None:
    out = resample(tone(5000, 16000, 3200).astype(np.float32), 16000, 8000)
    assert np.abs(out[200:-200]).max() < 5e-3


def test_channels_are_averaged(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    write_wav(path, np.stack([np.full(50, 0.5), np.zeros(50)], 1), 8000)
    assert torch.equal(load_sound(path, 8000), torch.full((50,), 0.25))


def test_short_sounds_are_padded_and_long_ones_cut(tmp_path: Path) -> None:
    view = LogMel(steps=8)
    paths = [tmp_path / "short.wav", tmp_path / "long.wav"]
    write_wav(paths[0], tone(440, 8000, 300), 8000)
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 5000)
    write_wav(paths[1], noise, 8000)
    files = SoundFiles(paths, [1, 0], 8000, view, tmp_path)
    x = files.inputs([0, 1])
    assert x.shape == (2, 8, 40)
    assert torch.allclose(x[0, -1], view.view(torch.zeros(1, 800), 8000)[0, -1])
    sound = torch.from_numpy(noise[:800]).float()
    assert torch.allclose(x[1], view.view(sound[None], 8000)[0], atol=1e-3)  # 16 bits
    assert files.targets([1, 0]).tolist() == [0, 1]
    assert torch.equal(files.in_memory().inputs([1, 0]), x[[1, 0]])


def test_finished_steps_are_kept_on_disk_until_the_file_or_the_view_changes(tmp_path: Path) -> None:
    path, cache = tmp_path / "a.wav", tmp_path / "cache"
    write_wav(path, tone(440, 8000, 800), 8000)
    files = SoundFiles([path], [0], 8000, LogMel(steps=8), tmp_path, cache)
    first = files.inputs([0])
    assert torch.equal(files.inputs([0]), first)
    assert len(list(cache.glob("*.npy"))) == 1
    SoundFiles([path], [0], 8000, LogMel(steps=8, bands=20), tmp_path, cache).inputs([0])
    assert len(list(cache.glob("*.npy"))) == 2
    write_wav(path, tone(880, 8000, 900), 8000)
    assert not torch.equal(files.inputs([0]), first)


def test_a_damaged_sound_names_its_file_when_it_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "bad.wav"
    path.write_bytes(b"RIFF")
    files = SoundFiles([path], [0], 8000, LogMel(), tmp_path)
    with pytest.raises(DataError, match=r"bad\.wav \(4 bytes\): not a WAV file"):
        files.inputs([0])

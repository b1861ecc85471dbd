import wave
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.audio import log_mel, mel_filters, read_wav
from spikeformers.data.formats.arff import read_arff


@pytest.mark.parametrize("name", ["sequential", "permuted_pixels", "rows", "permuted_rows"])
def test_a_sequence_holds_its_image_step_by_step(name: str, tmp_path: Path) -> None:
    config = DATASETS.config(name)
    config.fake(20, tmp_path)
    config = config.but(root=str(tmp_path))
    image = config.images.but(root=str(tmp_path)).build().train.inputs([3])[0]
    sequence = config.build().train.inputs([3])[0]
    natural = torch.empty_like(sequence)
    natural[config.order()] = sequence
    assert torch.equal(natural.reshape(1, 28, 28), image)
    assert (config.order() == torch.arange(len(sequence))).all() == (config.permutation_seed is None)


def test_rows_of_color_images_keep_their_channels_apart(tmp_path: Path) -> None:
    config = DATASETS.config("rows").but(images="cifar10", root=str(tmp_path))
    config.fake(50, tmp_path)
    image = config.images.but(root=str(tmp_path)).build().train.inputs([0])[0]
    rows = config.build().train.inputs([0])[0]
    assert rows.shape == (32, 96)
    assert torch.equal(rows[5].view(3, 32), image[:, 5])
    assert len(config.info.mean) == 96
    pixels = config.but(step="pixel").build().train.inputs([0])[0]
    assert torch.equal(pixels[5 * 32 + 7], image[:, 5, 7])


def test_the_seed_of_the_permutation_decides_it() -> None:
    base = DATASETS.config("permuted_rows")
    assert torch.equal(base.order(), base.but(permutation_seed=0).order())
    assert not torch.equal(base.order(), base.but(permutation_seed=1).order())


@pytest.mark.parametrize("name", ["sequential", "spoken_digits", "eeg_eye_state", "tiny_shakespeare"])
def test_image_augmentation_of_what_is_no_image_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="leave augment unset"):
        DATASETS.config(name).but(augment="affine")


def test_spoken_digits_are_split_by_speaker(shared: Path) -> None:
    config = DATASETS.config("spoken_digits").but(root=str(shared / "data" / "fsdd"), steps=8)
    splits = config.build()
    speakers = [{p.name(i).split("_")[1] for i in range(len(p))} for p in (splits.train, splits.val, splits.test)]
    assert speakers == [{"george", "jackson", "lucas", "yweweler"}, {"nicolas"}, {"theo"}]
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [2000, 500, 500]
    assert splits.test.targets(range(500)).bincount().tolist() == [50] * 10


def test_every_field_of_spoken_digits_changes_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("spoken_digits")
    config.fake(60, tmp_path)
    config = config.but(root=str(tmp_path))
    base = config.build().train.inputs([0])
    for changes in ({"steps": 32}, {"bands": 20}, {"window": 128}, {"hop": 80}):
        other = config.but(**changes)
        x = other.build().train.inputs([0])
        assert x.shape[1:] == other.info.shape
        assert x.shape != base.shape or not torch.equal(x, base)
    assert "theo" not in config.but(test_speaker="lucas").build().test.name(0)
    with pytest.raises(ConfigError, match="both 'theo'"):
        config.but(val_speaker="theo")
    with pytest.raises(ConfigError, match="'bob' is not one of"):
        config.but(test_speaker="bob")


def test_damaged_sounds_name_their_file(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"

    def write(rate: int = 8000, count: int = 100) -> None:
        with wave.open(str(path), "wb") as file:
            file.setnchannels(2)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(np.tile(np.array([16384, 0], "<i2"), count).tobytes())

    write()
    assert torch.equal(read_wav(path, 8000), torch.full((100,), 0.25))
    path.write_bytes(path.read_bytes()[:-6])
    with pytest.raises(DataError, match=r"a\.wav: the header announces 100 samples, but the data end after 98"):
        read_wav(path, 8000)
    path.write_bytes(b"RIFFnothing")
    with pytest.raises(DataError, match="not a readable PCM wav"):
        read_wav(path, 8000)
    write(rate=16000)
    with pytest.raises(DataError, match="16000 samples per second, wanted 8000"):
        read_wav(path, 8000)
    write(count=0)
    with pytest.raises(DataError, match="holds no sound"):
        read_wav(path, 8000)


def test_a_tone_lands_in_the_band_of_its_frequency() -> None:
    filters = mel_filters(40, 129, 8000)
    tone = torch.sin(2 * torch.pi * 1000 * torch.arange(8000) / 8000)
    energies = log_mel(tone[None], rate=8000, bands=40, window=256, hop=100)[0]
    assert energies.shape == (81, 40)
    assert (energies[5:-5].argmax(1) == filters[:, 32].argmax()).all()  # bin 32 of 128 is 1000 Hz


def test_eeg_windows_share_no_step_with_another_part(shared: Path) -> None:
    config = DATASETS.config("eeg_eye_state").but(root=str(shared / "data" / "eeg-eye-state"))
    splits = config.build()
    steps = []
    for part in (splits.train, splits.val, splits.test):
        starts = [int(part.name(i).rsplit(" ", 1)[1]) for i in range(len(part))]
        steps.append({t for start in starts for t in range(start, start + config.window)})
        assert part.targets(range(len(part))).bincount(minlength=2).min() > 10
    assert sum(map(len, steps)) == len(set.union(*steps))
    x = splits.train.inputs(range(len(splits.train)))
    assert x.abs().max() <= 10
    assert x.median().abs() < 0.1


def test_every_field_of_eeg_changes_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("eeg_eye_state")
    config.fake(60, tmp_path)
    config = config.but(root=str(tmp_path))
    base = config.build().train
    assert config.but(window=32).build().train.inputs([0]).shape == (1, 32, 14)
    assert len(config.but(stride=8).build().train) > len(base)
    assert config.but(blocks=5).build().val.name(0) != config.build().val.name(0)
    with pytest.raises(ConfigError, match="blocks=4"):
        config.but(blocks=4)
    with pytest.raises(ConfigError, match="window=9999 is longer than a block"):
        config.but(window=9999).build()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@RELATION r\n@ATTRIBUTE a NUMERIC\n@DATA\n1,2\n", "line 4: 2 values for 1 attributes"),
        ("@RELATION r\n@ATTRIBUTE a NUMERIC\n@DATA\nx\n", "line 4: could not convert"),
        ("@RELATION r\n@ATTRIBUTE a NUMERIC\n@DATA\nnan\n", "line 4: a value is not finite"),
        ("@RELATION r\nhello\n", "line 2: 'hello' is neither"),
        ("@RELATION r\n@DATA\n", "no rows"),
    ],
)
def test_damaged_arff_tables_are_refused_with_the_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.arff").write_text(text)
    with pytest.raises(DataError, match=message):
        read_arff(tmp_path / "a.arff")


def test_the_whole_of_shakespeare_is_read_and_targets_are_the_next_characters(shared: Path) -> None:
    config = DATASETS.config("tiny_shakespeare").but(root=str(shared / "data" / "tiny-shakespeare"))
    splits = config.build()
    x, y = splits.train.inputs([0, 1]), splits.train.targets([0, 1])
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert "".join(config.info.classes[i] for i in x[0].tolist()).startswith("First Citizen:\nBefore we proceed")
    spans = [
        {int(p.name(i).rsplit("#", 1)[1]) + k for i in range(len(p)) for k in (0, 256)}
        for p in (splits.train, splits.val, splits.test)
    ]
    assert max(spans[0]) < min(spans[1]) <= max(spans[1]) < min(spans[2])
    assert max(spans[2]) < 1115394
    assert len(config.but(stride=128).build().train) > 1.9 * len(splits.train)


def test_foreign_characters_are_refused_with_their_place(tmp_path: Path) -> None:
    config = DATASETS.config("tiny_shakespeare").but(root=str(tmp_path))
    (tmp_path / "input.txt").write_bytes(b"To be\xff")
    with pytest.raises(DataError, match="byte 0xff at byte 5"):
        config.build()
    (tmp_path / "input.txt").write_bytes(b"")
    with pytest.raises(DataError, match="empty text"):
        config.build()
    (tmp_path / "input.txt").write_bytes(b"To be" * 50)
    with pytest.raises(ConfigError, match="length=256 is longer"):
        config.build()

from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.audio.view import LogMel
from spikeformers.data.loader import Loader


def test_the_real_digits_are_split_by_speaker_and_standardized(shared: Path) -> None:
    splits = DATASETS.config("spoken_digits").but(root=str(shared / "data" / "fsdd")).build()
    speakers = [{p.name(i).split("_")[1] for i in range(len(p))} for p in (splits.train, splits.val, splits.test)]
    assert speakers == [{"george", "jackson", "lucas", "yweweler"}, {"nicolas"}, {"theo"}]
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [2000, 500, 500]
    assert splits.test.targets(range(500)).bincount().tolist() == [50] * 10
    x = torch.cat([p.inputs(range(len(p))) for p in (splits.train, splits.val, splits.test)])
    assert x.shape == (3000, 64, 40)
    assert x.mean().abs() < 0.02
    assert (x.std() - 1).abs() < 0.02


def test_every_field_of_spoken_digits_changes_what_comes_out(tmp_path: Path) -> None:
    config = DATASETS.config("spoken_digits")
    config.fake(60, tmp_path)
    config = config.but(root=str(tmp_path))
    base = config.build().train.inputs([0])
    changes = [
        {"steps": 32},
        {"bands": 20},
        {"window": 128},
        {"hop": 80},
        {"low_hz": 100},
        {"high_hz": 3000},
        {"std": 2},
    ]
    for change in changes:
        other = config.but(sound=LogMel(**change))
        x = other.build().train.inputs([0])
        assert x.shape[1:] == other.info.shape
        assert x.shape != base.shape or not torch.equal(x, base)
    assert config.but(sound="cochlea").build().train.inputs([0]).shape == (1, 64, 40)
    for _ in range(2):
        assert torch.equal(config.but(cache=True).build().train.inputs([0]), base)
    assert "theo" not in config.but(test_speaker="lucas").build().test.name(0)
    with pytest.raises(ConfigError, match="both 'theo'"):
        config.but(val_speaker="theo")
    with pytest.raises(ConfigError, match="'bob' is not one of"):
        config.but(test_speaker="bob")


def test_foreign_files_among_the_digits_are_refused(tmp_path: Path) -> None:
    config = DATASETS.config("spoken_digits").but(root=str(tmp_path))
    config.fake(60, tmp_path)
    (tmp_path / "hello.wav").write_bytes(b"")
    with pytest.raises(DataError, match=r"hello\.wav: the name does not tell digit, speaker and index"):
        config.build()


def test_speech_commands_follow_the_official_lists_and_leave_the_noise_out(tmp_path: Path) -> None:
    config = DATASETS.config("speech_commands").but(root=str(tmp_path), sound=LogMel(steps=4, window=512))
    config.fake(100, tmp_path)
    splits = config.build()
    names = [
        {"/".join(p.name(i).split("/")[1:]) for i in range(len(p))} for p in (splits.train, splits.val, splits.test)
    ]
    assert names[1] == set((tmp_path / "validation_list.txt").read_text().split())
    assert names[2] == set((tmp_path / "testing_list.txt").read_text().split())
    everything = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.wav")}
    assert everything - set.union(*names) == {"_background_noise_/hum.wav"}
    for part in (splits.train, splits.val, splits.test):
        words = [config.info.classes[y] for y in part.targets(range(len(part))).tolist()]
        assert all(part.name(i).split("/")[-2] == word for i, word in enumerate(words))
    cached = config.but(cache=True).build().train
    for _ in range(2):
        assert torch.equal(cached.inputs([0, 5]), splits.train.inputs([0, 5]))


def test_lists_that_do_not_fit_the_recordings_are_refused(tmp_path: Path) -> None:
    config = DATASETS.config("speech_commands").but(root=str(tmp_path))
    config.fake(70, tmp_path)
    listed = (tmp_path / "testing_list.txt").read_text()
    (tmp_path / "testing_list.txt").write_text(listed + "bed/nobody.wav\n")
    with pytest.raises(DataError, match=r"testing_list\.txt names 1 files that are not there, such as bed/nobody\.wav"):
        config.build()
    (tmp_path / "testing_list.txt").write_text("")
    with pytest.raises(DataError, match=r"testing_list\.txt: is empty"):
        config.build()
    (tmp_path / "testing_list.txt").write_text((tmp_path / "validation_list.txt").read_text())
    with pytest.raises(DataError, match="stands in both lists"):
        config.build()
    (tmp_path / "testing_list.txt").write_text(listed)
    (tmp_path / "hello").mkdir()
    with pytest.raises(DataError, match="classes that the training part lacks: hello"):
        config.build()


def test_any_folder_of_sounds_is_read_with_or_without_parts(tmp_path: Path) -> None:
    config = DATASETS.config("wav_folder").but(sound=LogMel(steps=4, window=512))
    config.fake(30, tmp_path / "plain")
    plain = config.but(root=str(tmp_path / "plain"))
    assert plain.info.classes == ("bark", "meow", "tweet")
    assert [len(p) for p in (plain.build().train, plain.build().val, plain.build().test)] == [24, 3, 3]
    config.fake(30, tmp_path / "parts" / "train")
    config.fake(6, tmp_path / "parts" / "test")
    parts = config.but(root=str(tmp_path / "parts"), val_fraction=0.2)
    splits = parts.build()
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [24, 6, 6]
    half_rate = parts.but(rate=8000).build().train.inputs([0])
    assert not torch.equal(half_rate, splits.train.inputs([0]))
    assert parts.but(split_seed=1).build().val.name(0) != splits.val.name(0)
    with pytest.raises(ConfigError, match="rate=0"):
        config.but(rate=0)
    with pytest.raises(ConfigError, match=r"test_fraction=0.5 and val_fraction=0.5"):
        config.but(test_fraction=0.5, val_fraction=0.5)


def test_corrupt_recordings_are_fatal_or_skipped_and_named(tmp_path: Path) -> None:
    config = DATASETS.config("wav_folder").but(sound=LogMel(steps=4, window=512), root=str(tmp_path))
    config.fake(30, tmp_path)
    train = config.build().train
    bad = tmp_path / train.name(3).split("/", 1)[1]
    bad.write_bytes(bad.read_bytes()[:100])
    with pytest.raises(DataError, match=rf"{bad.name}: the header announces 2400 samples, but the data end after 28"):
        list(Loader(train, 8, seed=0, shuffle=True))
    seen = [
        i for batch in Loader(train, 8, seed=0, shuffle=False, skip_corrupt=True) for i in batch.meta["index"].tolist()
    ]
    assert seen == [i for i in range(len(train)) if i != 3]

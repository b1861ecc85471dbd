from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.audio.view import LogMel


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

from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig, Samples
from spikeformers.data.formats.edf import Annotation, write_edf

RATE = 32


def subjects(root: Path, count: int = 5, table: bool = True) -> DataConfig:
    """Recordings of 8 s: the first half is 4 Hz (slow), the second 10 Hz (fast)."""
    t = np.arange(8 * RATE) / RATE
    wave = np.where(t < 4, np.sin(2 * np.pi * 4 * t), np.sin(2 * np.pi * 10 * t))
    rows = ["file,subject,label,start,stop"] if table else ["file,subject"]
    for i in range(count):
        noise = np.random.default_rng(i).normal(0, 1, (2, len(t)))
        told = [Annotation(0, 4, "slow"), Annotation(4, 4, "fast"), Annotation(6, 0.5, "blink")]
        write_edf(root / f"{i}.edf", {"Cz": 100 * wave + noise[0], "Oz": 50 * wave + noise[1]}, RATE, annotations=told)
        rows += [f"{i}.edf,s{i},slow,,4", f"{i}.edf,s{i},fast,4,"] if table else [f"{i}.edf,s{i}"]
    (root / "labels.csv").write_text("\n".join(rows) + "\n")
    return DATASETS.config("eeg_folder").but(root=str(root), rate=RATE, window=RATE, stride=RATE, high_hz=14.0)


def parts(config: DataConfig) -> list[Samples]:
    splits = config.build()
    return [splits.train, splits.val, splits.test]


def test_windows_carry_the_label_of_their_part_and_no_subject_is_in_two(tmp_path: Path) -> None:
    config = subjects(tmp_path)
    found = parts(config)
    assert config.info.classes == ("fast", "slow")
    assert config.info.shape == (RATE, 2)
    assert [len(part) for part in found] == [24, 8, 8]
    people = [{part.name(i).split("#")[0] for i in range(len(part))} for part in found]
    assert sum(map(len, people)) == len(set.union(*people)) == 5
    for part in found:
        x, y = part.inputs(range(len(part))), part.targets(range(len(part)))
        fastest = torch.fft.rfft(x[:, :, 0]).abs()[:, 1:].argmax(1) + 1  # in Hz: windows of one second
        assert (fastest == torch.where(y == 0, 10, 4)).all()
    assert people != [
        {part.name(i).split("#")[0] for i in range(len(part))} for part in parts(config.but(split_seed=1))
    ]


def test_annotations_tell_the_classes_where_the_table_does_not(tmp_path: Path) -> None:
    config = subjects(tmp_path, table=False)
    with pytest.raises(ConfigError, match="classes=… must name the annotations"):
        config.build()
    named = config.but(classes=("slow", "fast"))
    (tmp_path / "two").mkdir()
    two = subjects(tmp_path / "two").but(classes=("slow", "fast"))
    for one, other in zip(parts(named), parts(two), strict=True):
        assert torch.equal(one.inputs(range(8)), other.inputs(range(8)))
        assert torch.equal(one.targets(range(8)), other.targets(range(8)))


def test_every_field_changes_what_comes_out(tmp_path: Path) -> None:
    config = subjects(tmp_path)
    base = parts(config)[0]
    assert parts(config.but(window=16))[0].inputs([0]).shape == (1, 16, 2)
    assert len(parts(config.but(stride=16))[0]) > 1.7 * len(base)
    assert parts(config.but(rate=16, window=16))[0].inputs([0]).shape == (1, 16, 2)
    assert torch.equal(parts(config.but(channels=("Oz",)))[0].inputs([0]), base.inputs([0])[..., 1:])
    for change in ({"low_hz": 6.0}, {"high_hz": None}, {"notch_hz": 4.0}):
        assert not torch.allclose(parts(config.but(**change))[0].inputs([0]), base.inputs([0]), atol=0.05)
    assert [len(part) for part in parts(config.but(test_fraction=0.4))] == [16, 8, 16]
    assert [len(part) for part in parts(config.but(val_fraction=0.4))] == [16, 16, 8]
    assert parts(config.but(classes=("slow",)))[0].targets(range(12)).unique().tolist() == [0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,who\n", r"labels\.csv: the first line must be .* it lacks file, subject"),
        ("file,subject,label\n", "names no recordings"),
        ("file,subject,label\n0.edf,s0,\n", "line 2: file, subject and label must not be empty"),
        ("file,subject,label\n0.edf,s0,a\nno.edf,s1,b\n", r"line 3: no\.edf is not in"),
        ("file,subject,label,start,stop\n0.edf,s0,a,one,2\n", "line 2: start and stop are seconds, not 'one' and '2'"),
        ("file,subject,label,start,stop\n0.edf,s0,a,3,2\n", "line 2: from 3 to 2 s is not possible"),
        ("file,subject,label\n0.edf,s0,a\n1.edf,s1,b\n", "2 subjects cannot be told apart in three parts"),
        ("file,subject,label\n0.edf,s0,a\n1.edf,s1,a\nbad.edf,s2,a\n", r"bad\.edf: record 0 at byte .* is cut off"),
        ("file,subject,label,start,stop\n0.edf,s,a,,\n1.edf,s1,a,,\n2.edf,s2,a,9,\n", "no window of 32 steps fits"),
    ],
)
def test_tables_and_files_that_do_not_fit_are_refused(text: str, message: str, tmp_path: Path) -> None:
    config = subjects(tmp_path, count=3)
    (tmp_path / "bad.edf").write_bytes((tmp_path / "0.edf").read_bytes()[:1100])
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        config.build()


def test_recordings_that_cannot_be_windowed_are_refused(tmp_path: Path) -> None:
    config = subjects(tmp_path)
    with pytest.raises(DataError, match=r"0\.edf: no channel 'Fz'; it has Cz, Oz"):
        config.but(channels=("Fz",)).build()
    with pytest.raises(ConfigError, match="half the rate, 16 Hz"):
        config.but(high_hz=20.0).build()
    with pytest.raises(ConfigError, match="stride=0"):
        config.but(stride=0)
    path = tmp_path / "0.edf"
    path.write_bytes(path.read_bytes().replace(b"EDF+C", b"EDF+D", 1))
    with pytest.raises(DataError, match=r"0\.edf: a recording with gaps"):
        config.build()

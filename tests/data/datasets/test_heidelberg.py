"""SHD and SSC on files written here in the official layout."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.datasets.heidelberg import SpikeBins, SpikeTrains, write_trains
from spikeformers.data.loader import Loader

h5py = pytest.importorskip("h5py")


def one(path: Path, times: list[float], units: list[int], label: int = 0) -> SpikeTrains:
    write_trains(path, [np.array(times)], [np.array(units)], np.array([label]), np.array([3]))
    return SpikeTrains(path, 20, SpikeBins(4, 250.0, 70))


def test_every_spike_is_counted_in_its_bin_and_group_of_units(tmp_path: Path) -> None:
    trains = one(tmp_path / "a.h5", [0.0, 0.2, 0.25, 0.5, 0.999, 1.0, 1.5], [0, 9, 10, 699, 699, 5, 5])
    counts = trains.inputs([0])[0]
    want = torch.zeros(4, 70)
    want[0, 0], want[1, 1], want[2, 69], want[3, 69] = 2, 1, 1, 1
    assert torch.equal(counts, want)


def test_finer_bins_and_units_hold_the_same_spikes(tmp_path: Path) -> None:
    config = DATASETS.config("shd").but(root=str(tmp_path))
    config.fake(40, tmp_path)
    coarse = config.build().train.inputs(range(5))
    fine = config.but(units=700).build().train.inputs(range(5))
    assert coarse.shape == (5, 100, 140)
    assert torch.equal(fine.unflatten(2, (140, 5)).sum(3), coarse)
    halves = config.but(steps=200, step_ms=5.0).build().train.inputs(range(5))
    assert torch.equal(halves.unflatten(1, (100, 2)).sum(2), coarse)
    with h5py.File(tmp_path / "shd_train.h5") as file:
        total = sum(len(file["spikes/times"][int(config.build().train.name(i).split("#")[1])]) for i in range(5))
    assert coarse.sum() == total


def test_a_speaker_can_be_held_out_for_validation(tmp_path: Path) -> None:
    config = DATASETS.config("shd").but(root=str(tmp_path))
    config.fake(40, tmp_path)
    splits = config.but(val_speaker=7).build()
    speakers = [{int(p.name(i).split("#")[1]) % 10 for i in range(len(p))} for p in (splits.train, splits.val)]
    assert speakers == [set(range(10)) - {7}, {7}]
    with pytest.raises(ConfigError, match="val_speaker=12 is not one of several training speakers; valid: 0, 1, 2"):
        config.but(val_speaker=12).build()
    config.fake(40, tmp_path / "anonymous")
    with h5py.File(tmp_path / "anonymous" / "shd_train.h5", "a") as file:
        del file["extra"]
    with pytest.raises(DataError, match="does not tell the speaker"):
        config.but(val_speaker=7, root=str(tmp_path / "anonymous")).build()


def test_the_official_parts_of_ssc_stay_apart(tmp_path: Path) -> None:
    config = DATASETS.config("ssc").but(root=str(tmp_path))
    config.fake(70, tmp_path)
    splits = config.build()
    assert [p.name(0) for p in (splits.train, splits.val, splits.test)] == [
        f"ssc_{p}.h5#0" for p in ("train", "valid", "test")
    ]


def test_trains_travel_to_workers(tmp_path: Path) -> None:
    config = DATASETS.config("shd").but(root=str(tmp_path))
    config.fake(40, tmp_path)
    train = config.build().train
    x = train.inputs([0, 1])
    assert torch.equal(pickle.loads(pickle.dumps(train)).inputs([0, 1]), x)
    alone, together = (Loader(train, 16, seed=0, shuffle=True, workers=workers) for workers in (0, 2))
    for one_batch, other in zip(alone, together, strict=True):
        assert torch.equal(one_batch.inputs, other.inputs)


@pytest.mark.parametrize(
    ("times", "units", "message"),
    [
        ([], [], "an empty recording"),
        ([0.1, float("nan")], [1, 2], "spike 1 is at nan s"),
        ([-0.5], [1], "spike 0 is at -0.5 s"),
        ([0.1, 0.2], [1, 700], "spike 1 is of unit 700, outside 0 … 699"),
        ([0.1, 0.2], [1], "2 times but 1 units"),
    ],
)
def test_impossible_spikes_name_the_file_the_sample_and_the_spike(
    times: list[float], units: list[int], message: str, tmp_path: Path
) -> None:
    trains = one(tmp_path / "a.h5", times, units)
    with pytest.raises(DataError, match=message) as caught:
        trains.inputs([0])
    assert f"{tmp_path / 'a.h5'} sample 0" in str(caught.value)


def test_files_in_another_layout_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with pytest.raises(DataError, match="label 20 of sample 0 is outside 0 … 19"):
        one(path, [0.1], [1], label=20)
    one(path, [0.1], [1])
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"a\.h5: not a readable HDF5 file"):
        SpikeTrains(path, 20, SpikeBins(4, 250.0, 70))
    path.write_bytes(whole)
    with h5py.File(path, "a") as file:
        del file["labels"]
    with pytest.raises(DataError, match=r"a\.h5: lacks labels"):
        SpikeTrains(path, 20, SpikeBins(4, 250.0, 70))
    with h5py.File(path, "a") as file:
        file["labels"] = np.zeros(2, np.uint16)
    with pytest.raises(DataError, match="arrays differ in length"):
        SpikeTrains(path, 20, SpikeBins(4, 250.0, 70))


def test_settings_that_cannot_be_are_refused() -> None:
    config = DATASETS.config("shd")
    with pytest.raises(ConfigError, match="units=128 does not divide 700; nearest valid: 140, 100"):
        config.but(units=128)
    with pytest.raises(ConfigError, match="steps=0"):
        DATASETS.config("ssc").but(steps=0)
    with pytest.raises(ConfigError, match="step_ms=0"):
        config.but(step_ms=0)

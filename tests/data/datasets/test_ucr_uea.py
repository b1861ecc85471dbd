import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig
from spikeformers.data.formats.ts import read_ts, write_ts


@pytest.fixture(scope="session")
def archive() -> Path:
    """The real problems that the package aeon carries."""
    found = importlib.util.find_spec("aeon")
    if found is None or not found.submodule_search_locations:
        pytest.skip("needs the files of the package aeon (pip install --no-deps aeon)")
    return Path(found.submodule_search_locations[0]) / "datasets" / "data"


def config(root: Path, **changes: object) -> DataConfig:
    return DATASETS.config("ucr_uea").but(root=str(root), **changes)


@pytest.mark.parametrize(
    ("name", "shape", "classes", "sizes"),
    [
        ("ucr_uea", (100, 6), 4, (40, 40)),
        ("japanese_vowels", (29, 12), 9, (270, 370)),
        ("gun_point", (150, 1), 2, (50, 150)),
        ("italy_power_demand", (24, 1), 2, (67, 1029)),
    ],
)
def test_real_problems_are_read(
    name: str, shape: tuple[int, int], classes: int, sizes: tuple[int, int], archive: Path
) -> None:
    chosen = DATASETS.config(name).but(root=str(archive))
    splits = chosen.build()
    assert chosen.info.shape == shape
    assert chosen.info.sizes == {"train": sizes[0], "test": sizes[1]}
    assert (len(splits.train) + len(splits.val), len(splits.test)) == sizes
    for part in (splits.train, splits.val, splits.test):
        assert len(part.targets(range(len(part))).unique()) == len(chosen.info.classes) == classes
    assert (splits.train.inputs(range(len(splits.train))).std() - 1).abs() < 0.3


def test_series_with_time_stamps_are_refused(archive: Path) -> None:
    with pytest.raises(DataError, match=r"UnitTestTimeStamps_TRAIN\.ts line 5: series with time stamps"):
        read_ts(archive / "UnitTest" / "UnitTestTimeStamps_TRAIN.ts")


def test_problems_of_regression_are_refused(archive: Path) -> None:
    with pytest.raises(DataError, match="has no classes"):
        config(archive, problem="Covid3Month").build()


def written(root: Path, train: list[np.ndarray], test: list[np.ndarray], labels: str = "ab") -> None:
    write_ts(root / "BasicMotions_TRAIN.ts", "P", train, [labels[i % 2] for i in range(len(train))])
    write_ts(root / "BasicMotions_TEST.ts", "P", test, ["ab"[i % 2] for i in range(len(test))])


def test_series_are_standardized_padded_and_cut(tmp_path: Path) -> None:
    train = [np.array([[1.0, 3.0], [5.0, 5.0]]), np.array([[1.0, 3.0], [5.0, 5.0]])] * 2
    written(tmp_path, train, [np.array([[2.0, 3.0, 4.0], [5.0, 6.0, 7.0]])] * 2)
    x = config(tmp_path, val_fraction=0.5).build().test.inputs([0])[0]
    assert x.tolist() == [[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]  # mean 2 and 5, deviation 1 and none
    assert config(tmp_path, val_fraction=0.5).build().train.inputs([0])[0].tolist() == [[-1, 0], [1, 0], [0, 0]]
    assert config(tmp_path, val_fraction=0.5, length=1).build().test.inputs([0]).tolist() == [[[0.0, 0.0]]]
    assert config(tmp_path, length=1).info.shape == (1, 2)


def test_missing_values_are_refused_or_filled(tmp_path: Path) -> None:
    gap = np.array([[np.nan, 0.0, np.nan, 2.0, np.nan]])
    written(tmp_path, [np.array([[-1.0, 1.0, -1.0, 1.0, 0.0]])] * 4, [gap] * 2)
    with pytest.raises(DataError, match=r"TEST\.ts case 0: the value of channel 0 at step 0 is missing; set missing="):
        config(tmp_path, val_fraction=0.5).build()
    x = config(tmp_path, val_fraction=0.5, missing="interpolate").build().test.inputs([0])[0, :, 0]
    assert torch.allclose(x / x[3], torch.tensor([0.0, 0.0, 0.5, 1.0, 1.0]))
    written(tmp_path, [np.array([[-1.0, 1.0]])] * 4, [np.array([[np.nan]])] * 2)
    with pytest.raises(DataError, match="no values at all"):
        config(tmp_path, val_fraction=0.5, missing="interpolate").build()


def test_files_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    written(tmp_path, [np.zeros((1, 3))] * 4, [np.zeros((1, 3))] * 2, labels="ac")
    with pytest.raises(
        DataError, match=r"has 1 channels and classes a b, but .* 1 and a c; they do not belong together"
    ):
        config(tmp_path).build()


def test_a_problem_not_yet_fetched_has_an_empty_card_and_a_clear_error(tmp_path: Path) -> None:
    chosen = config(tmp_path, problem="FaceDetection")
    assert (chosen.info.classes, chosen.info.shape) == ((), (0, 0))
    with pytest.raises(DataError, match=r"aeon-toolkit/FaceDetection\.zip"):
        chosen.build()
    with pytest.raises(ConfigError, match=r"'\.\./x' is no name of a problem"):
        DATASETS.config("ucr_uea").but(problem="../x")
    with pytest.raises(ConfigError, match="length=0"):
        DATASETS.config("ucr_uea").but(length=0)

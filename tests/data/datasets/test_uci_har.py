from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS, DataConfig

INNER = "UCI HAR Dataset"


@pytest.fixture
def config(tmp_path: Path) -> DataConfig:
    found = DATASETS.config("uci_har")
    found.fake(60, tmp_path)
    return found.but(root=str(tmp_path))


def test_windows_hold_the_nine_signals_in_order_standardized_by_the_training_people(
    config: DataConfig, tmp_path: Path
) -> None:
    splits = config.build()
    x = splits.train.inputs(range(len(splits.train)))
    assert x.mean((0, 1)).abs().max() < 1e-4
    assert (x.std((0, 1)) - 1).abs().max() < 1e-2
    table = np.loadtxt(tmp_path / INNER / "test" / "Inertial Signals" / "body_gyro_z_test.txt")
    got = splits.test.inputs([3])[0, :, 5].double().numpy()
    assert abs(np.corrcoef(got, table[3])[0, 1] - 1) < 1e-6
    assert splits.test.targets([3]).item() == int(np.loadtxt(tmp_path / INNER / "test" / "y_test.txt")[3]) - 1


def test_parts_share_no_person(config: DataConfig, tmp_path: Path) -> None:
    people = np.loadtxt(tmp_path / INNER / "train" / "subject_train.txt", dtype=int)
    splits = config.but(val_subjects=2).build()
    chosen = [
        {people[int(part.name(i).split("#")[1])] for i in range(len(part))} for part in (splits.train, splits.val)
    ]
    assert chosen == [{1, 2, 3, 4}, {5, 6}]
    with pytest.raises(ConfigError, match="val_subjects=6 leaves nobody to train on; the train part has 6 people"):
        config.but(val_subjects=6).build()
    with pytest.raises(ConfigError, match="val_subjects=0"):
        config.but(val_subjects=0)


def test_damaged_tables_name_file_and_line(config: DataConfig, tmp_path: Path) -> None:
    folder = tmp_path / INNER / "train"
    path = folder / "Inertial Signals" / "total_acc_y_train.txt"
    whole = path.read_text().splitlines()

    def refused(lines: list[str], message: str) -> None:
        path.write_text("\n".join(lines) + "\n" if lines else "")
        with pytest.raises(DataError, match=message) as caught:
            config.build()
        assert "total_acc_y" in str(caught.value)

    refused(whole[:-1], "total_acc_y has 59 lines, but y_train.txt 60; one file is cut off")
    refused([*whole[:-1], whole[-1][:50]], "columns")
    refused([line[:160] for line in whole], "lines of 10 numbers, wanted 128")
    refused([*whole[:2], whole[2].replace(whole[2].split()[0], "nan"), *whole[3:]], "line 3: a value is not finite")
    refused([], "is empty")
    path.unlink()
    with pytest.raises(DataError, match=r"total_acc_y_train\.txt is missing; the folder must look like"):
        config.build()


def test_labels_and_people_that_cannot_be_are_refused(config: DataConfig, tmp_path: Path) -> None:
    labels = tmp_path / INNER / "test" / "y_test.txt"
    good = labels.read_text()
    labels.write_text("7\n" + good.split("\n", 1)[1])
    with pytest.raises(DataError, match=r"y_test\.txt \(labels less one\): label 6 of sample 0 is outside 0 … 5"):
        config.build()
    labels.write_text(good)
    (tmp_path / INNER / "test" / "subject_test.txt").write_text("1\n" * 60)
    with pytest.raises(DataError, match="person 1 is in train and test"):
        config.build()

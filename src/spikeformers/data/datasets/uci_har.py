"""UCI HAR: six activities of thirty people with a phone at the waist, windows of 2.56 s."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, check_labels
from spikeformers.data.download import RemoteFile
from spikeformers.data.samples import ArraySamples, Samples, Splits, Subset

SIGNALS = tuple(f"{kind}_{axis}" for kind in ("body_acc", "body_gyro", "total_acc") for axis in "xyz")
STEPS = 128
INNER = "UCI HAR Dataset"
CLASSES = ("walking", "walking upstairs", "walking downstairs", "sitting", "standing", "laying")
LAYOUT = (
    "train/ and test/, each (PART stands for its name) with\n"
    "  Inertial Signals/SIGNAL_PART.txt for body_acc_x … body_acc_z, body_gyro_x … and total_acc_x …: 128 numbers a line\n"
    "  y_PART.txt: activity 1 … 6 of each line, and subject_PART.txt: person 1 … 30 of each line"
)


@DATASETS.register("uci_har", source="Anguita et al., ESANN 2013")
@dataclass(frozen=True, kw_only=True)
class UCIHARConfig(DataConfig):
    """UCI HAR: accelerometer and gyroscope as standardized windows [128, 9]; parts share no person."""

    val_subjects: int = 4
    """How many of the 21 training persons are the validation part: the last ones by number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.val_subjects < 1:
            raise ConfigError(f"val_subjects={self.val_subjects} must be at least 1")

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="UCI HAR",
            classes=CLASSES,
            shape=(STEPS, len(SIGNALS)),
            mean=(0.0,) * len(SIGNALS),
            std=(1.0,) * len(SIGNALS),
            license="CC BY 4.0 (UCI Machine Learning Repository); the authors' README forbids commercial use",
            source="D. Anguita, A. Ghio, L. Oneto, X. Parra, J. L. Reyes-Ortiz: A Public Domain Dataset for Human Activity "
            "Recognition Using Smartphones, ESANN 2013; 50 Hz, windows overlap by half",
            sizes={"train": 7352, "test": 2947},
            split="official train (21 people) and test (9 others); validation is the last val_subjects people of train",
            layout=LAYOUT,
            files=(
                RemoteFile(
                    "UCI HAR Dataset.zip",
                    "https://archive.ics.uci.edu/ml/machine-learning-databases/00240/UCI%20HAR%20Dataset.zip",
                    unpack=True,
                ),
            ),
            hint="Or get it from https://archive.ics.uci.edu/dataset/240 and unpack it and the archive inside.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate("train/y_train.txt", "test/y_test.txt", inside=(INNER,))
        signals, labels, people = _part(folder, "train")
        test_signals, test_labels, test_people = _part(folder, "test")
        if both := set(people.tolist()) & set(test_people.tolist()):
            raise DataError(f"{folder}: person {min(both)} is in train and test; these files are not the official ones")
        known = sorted(set(people.tolist()))
        if len(known) <= self.val_subjects:
            raise ConfigError(
                f"val_subjects={self.val_subjects} leaves nobody to train on; the train part has {len(known)} people"
            )
        held = np.isin(people, known[-self.val_subjects :])
        mean, std = signals[~held].mean((0, 1)), signals[~held].std((0, 1))
        whole = _samples((signals - mean) / std, labels, "train")
        train, val = (Subset(whole, torch.from_numpy(np.flatnonzero(part))) for part in (~held, held))
        return Splits(train=train, val=val, test=_samples((test_signals - mean) / std, test_labels, "test"))

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for part, people in (("train", range(1, self.val_subjects + 3)), ("test", range(20, 25))):
            folder = root / INNER / part
            (folder / "Inertial Signals").mkdir(parents=True, exist_ok=True)
            for name in SIGNALS:
                table = rng.normal(0, 0.5, (n, STEPS))
                np.savetxt(folder / "Inertial Signals" / f"{name}_{part}.txt", table, fmt="%16.7e")
            np.savetxt(folder / f"y_{part}.txt", np.arange(n) % 6 + 1, fmt="%d")
            np.savetxt(folder / f"subject_{part}.txt", np.array(people)[np.arange(n) // 6 % len(people)], fmt="%d")


def _part(folder: Path, part: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Signals [n, 128, 9], labels from 0 and people [n] of one part."""
    base = folder / part
    labels, people = (_table(base / f"{name}_{part}.txt", 1)[:, 0].astype(np.int64) for name in ("y", "subject"))
    check_labels(labels - 1, len(CLASSES), f"{base / f'y_{part}.txt'} (labels less one)")
    columns = [_table(base / "Inertial Signals" / f"{name}_{part}.txt", STEPS) for name in SIGNALS]
    for name, column in zip((*SIGNALS, "subject"), (*columns, people), strict=True):
        if len(column) != len(labels):
            raise DataError(
                f"{base}: {name} has {len(column)} lines, but y_{part}.txt {len(labels)}; one file is cut off"
            )
    return np.stack(columns, 2), labels - 1, people


def _table(path: Path, columns: int) -> np.ndarray:
    if not path.exists():
        raise DataError(f"{path} is missing; the folder must look like:\n{LAYOUT}")
    if not path.stat().st_size:
        raise DataError(f"{path}: is empty")
    try:
        table: np.ndarray = np.loadtxt(path, dtype=np.float32, ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    if table.shape[1:] != (columns,):
        raise DataError(f"{path}: lines of {table.shape[-1]} numbers, wanted {columns}")
    wrong = np.flatnonzero(~np.isfinite(table).all(1))
    if len(wrong):
        raise DataError(f"{path} line {wrong[0] + 1}: a value is not finite")
    return table


def _samples(signals: np.ndarray, labels: np.ndarray, part: str) -> Samples:
    return ArraySamples(torch.from_numpy(signals), torch.from_numpy(labels), f"uci_har {part}")

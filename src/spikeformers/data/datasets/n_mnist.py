"""N-MNIST: MNIST digits shown to a moving event camera, 34×34, three saccades in 300 ms."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DatasetInfo, carve_validation, check_labels
from spikeformers.data.events.dataset import EventDataConfig
from spikeformers.data.events.fake import fake_events
from spikeformers.data.events.files import EventFile
from spikeformers.data.events.readers import nmnist
from spikeformers.data.samples import Splits

SIDE = 34
LISTS = ("train1K.txt", "test100.txt")
LAYOUT = (
    "Train/0 … Train/9 and Test/0 … Test/9, each with one NNNNN.bin a sample (the official archives, unpacked)\n"
    f"{LISTS[0]} and {LISTS[1]} (lines of sample number and digit) beside NNN.bs2 files (the subset of 1,000 + 100)"
)


@DATASETS.register("n_mnist", source="Orchard et al., Frontiers in Neuroscience 9:437, 2015")
@dataclass(frozen=True, kw_only=True)
class NMNISTConfig(EventDataConfig):
    """N-MNIST: 70,000 recordings of handwritten digits by a moving event camera."""

    sensor: ClassVar[tuple[int, int]] = (SIDE, SIDE)

    size: int = SIDE
    """Side of the square that the 34×34 pixels are scaled to."""
    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape
        return DatasetInfo(
            title="N-MNIST",
            classes=tuple("0123456789"),
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="CC BY-SA 4.0",
            source="G. Orchard, A. Jayawant, G. Cohen, N. Thakor, Frontiers in Neuroscience 9:437, 2015",
            sizes={"train": 60000, "test": 10000},
            split="official 60,000 train and 10,000 test (subset: 1,000 and 100); validation is cut from train with "
            "split_seed, every class in equal measure",
            layout=LAYOUT,
            hint="Get Train.zip and Test.zip from https://www.garrickorchard.com/datasets/n-mnist and unpack them.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate("|".join(("Train", LISTS[0])), "|".join(("Test", LISTS[1])))
        find = _from_folders if (folder / "Train").is_dir() else _from_lists
        train, test = (self.recordings(find(folder, test), nmnist.read) for test in (False, True))
        kept, val = carve_validation(train, self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=test)

    def fake(self, n: int, root: Path) -> None:
        for part in ("Train", "Test"):
            for i in range(n):
                folder = root / part / str(i % 10)
                folder.mkdir(parents=True, exist_ok=True)
                nmnist.write(folder / f"{i + 1:05}.bin", fake_events(i, SIDE, SIDE, 50))


def _from_folders(folder: Path, test: bool) -> list[EventFile]:
    part = folder / ("Test" if test else "Train")
    found = [EventFile(path, digit) for digit in range(10) for path in sorted((part / str(digit)).glob("*.bin"))]
    if not found:
        raise DataError(f"{part} holds no recordings; it must look like:\n{LAYOUT}")
    return found


def _from_lists(folder: Path, test: bool) -> list[EventFile]:
    path = folder / LISTS[test]
    try:
        table = np.loadtxt(path, dtype=np.int64, comments="#", ndmin=2)
    except ValueError as error:
        raise DataError(f"{path}: lines must hold a sample number and a digit: {error}") from None
    if table.shape[1:] != (2,):
        raise DataError(f"{path}: lines must hold a sample number and a digit; got {table.shape[-1]} columns")
    check_labels(table[:, 1], 10, str(path))
    items = [EventFile(folder / f"{number}.bs2", int(digit)) for number, digit in table]
    missing = [item.path.name for item in items if not item.path.exists()]
    if missing:
        raise DataError(f"{path} names {len(missing)} files that are not in {folder}, such as {missing[0]}")
    return items

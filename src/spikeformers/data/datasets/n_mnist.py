"""N-MNIST: MNIST digits shown to a moving event camera, 34×34, three saccades in 300 ms."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels, data_folder
from spikeformers.data.events.array import make_events
from spikeformers.data.events.files import EventFile, EventFiles, EventView
from spikeformers.data.events.readers import nmnist
from spikeformers.data.events.representation import Frames, RepresentationConfig
from spikeformers.data.samples import Splits

SIDE = 34
LISTS = ("train1K.txt", "test100.txt")
LAYOUT = (
    "Train/0 … Train/9 and Test/0 … Test/9, each with one NNNNN.bin a sample (the official archives, unpacked)\n"
    f"{LISTS[0]} and {LISTS[1]} (lines of sample number and digit) beside NNN.bs2 files (the subset of 1,000 + 100)"
)


@DATASETS.register("n_mnist", source="Orchard et al., Frontiers in Neuroscience 9:437, 2015")
@dataclass(frozen=True, kw_only=True)
class NMNISTConfig(DataConfig):
    """N-MNIST: 70,000 recordings of handwritten digits by a moving event camera."""

    representation: RepresentationConfig = Frames(steps=10)
    """How a recording becomes a tensor [T, P, H, W]."""
    size: int = SIDE
    """Side of the square that the 34×34 pixels are scaled to."""
    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""
    cache: bool = False
    """Keep finished tensors in the data folder instead of making them from events each time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ConfigError(f"size={self.size} must be at least 1 pixel")

    @property
    def info(self) -> DatasetInfo:
        shape = self._view().shape
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

    def _view(self) -> EventView:
        return EventView(SIDE, SIDE, self.size, self.representation)

    def read(self) -> Splits:
        folder = self.locate("|".join(("Train", LISTS[0])), "|".join(("Test", LISTS[1])))
        find = _from_folders if (folder / "Train").is_dir() else _from_lists
        cache = data_folder() / "cache" / self.family if self.cache else None
        train, test = (EventFiles(find(folder, test), nmnist.read, self._view(), cache) for test in (False, True))
        kept, val = carve_validation(train, self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=test)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for part in ("Train", "Test"):
            for i in range(n):
                folder = root / part / str(i % 10)
                folder.mkdir(parents=True, exist_ok=True)
                x, y, p = (rng.integers(0, high, 50) for high in (SIDE, SIDE, 2))
                nmnist.write(folder / f"{i + 1:05}.bin", make_events(x, y, np.sort(rng.integers(0, 300000, 50)), p))


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

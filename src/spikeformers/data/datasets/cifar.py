"""CIFAR-10 and CIFAR-100: 32×32 color images in the official binary or Python layout."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels
from spikeformers.data.download import RemoteFile
from spikeformers.data.formats.pickles import read_pickle
from spikeformers.data.samples import ArraySamples, Splits

SHAPE = (3, 32, 32)
PIXELS = 3 * 32 * 32
SITE = "https://www.cs.toronto.edu/~kriz"
SPLIT = (
    "official 50,000 train and 10,000 test; validation is cut from train with split_seed, every class in equal measure"
)


@dataclass(frozen=True)
class Layout:
    """File names of one dataset, and where the label stands in each layout."""

    binary_folder: str
    binary_train: tuple[str, ...]
    binary_test: str
    label_bytes: int
    python_folder: str
    python_train: tuple[str, ...]
    python_test: str
    python_label: bytes

    def describe(self) -> str:
        record = " + ".join(["1 byte label"] if self.label_bytes == 1 else ["1 byte coarse label", "1 byte fine label"])
        return (
            f"{self.binary_folder}/ with {', '.join((*self.binary_train, self.binary_test))}: records of {record} + 3,072 pixels\n"
            f"{self.python_folder}/ with {', '.join((*self.python_train, self.python_test))}: pickles with "
            f"'data' and '{self.python_label.decode()}'"
        )


TEN = Layout(
    binary_folder="cifar-10-batches-bin",
    binary_train=tuple(f"data_batch_{i}.bin" for i in range(1, 6)),
    binary_test="test_batch.bin",
    label_bytes=1,
    python_folder="cifar-10-batches-py",
    python_train=tuple(f"data_batch_{i}" for i in range(1, 6)),
    python_test="test_batch",
    python_label=b"labels",
)
HUNDRED = Layout(
    binary_folder="cifar-100-binary",
    binary_train=("train.bin",),
    binary_test="test.bin",
    label_bytes=2,
    python_folder="cifar-100-python",
    python_train=("train",),
    python_test="test",
    python_label=b"fine_labels",
)

FINE_CLASSES = """
apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle
caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant
flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man maple_tree
motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree plain plate
poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail snake spider
squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout tulip turtle
wardrobe whale willow_tree wolf woman worm
"""

CIFAR10 = DatasetInfo(
    title="CIFAR-10",
    classes=("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
    shape=SHAPE,
    mean=(0.4914, 0.4822, 0.4465),
    std=(0.2470, 0.2435, 0.2616),
    license="none stated; free for research with citation",
    source="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
    sizes={"train": 50000, "test": 10000},
    split=SPLIT,
    layout=TEN.describe(),
    files=(
        RemoteFile(
            "cifar-10-binary.tar.gz",
            f"{SITE}/cifar-10-binary.tar.gz",
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
            unpack=True,
        ),
    ),
)
CIFAR100 = DatasetInfo(
    title="CIFAR-100",
    classes=tuple(FINE_CLASSES.split()),
    shape=SHAPE,
    mean=(0.5071, 0.4865, 0.4409),
    std=(0.2673, 0.2564, 0.2762),
    license="none stated; free for research with citation",
    source="A. Krizhevsky: Learning Multiple Layers of Features from Tiny Images, 2009",
    sizes={"train": 50000, "test": 10000},
    split=SPLIT,
    layout=HUNDRED.describe(),
    files=(
        RemoteFile(
            "cifar-100-binary.tar.gz",
            f"{SITE}/cifar-100-binary.tar.gz",
            "md5:03b5dce01913d631647c71ecec9e9cb8",
            unpack=True,
        ),
    ),
)


@DATASETS.register("cifar10", source="Krizhevsky 2009")
@dataclass(frozen=True, kw_only=True)
class CIFAR10Config(DataConfig):
    """CIFAR-10: 60,000 color images of 32×32 in 10 classes."""

    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    @property
    def info(self) -> DatasetInfo:
        return CIFAR10

    def read(self) -> Splits:
        return _read(self, TEN, self.val_fraction, self.split_seed)

    def fake(self, n: int, root: Path) -> None:
        _fake(n, root, TEN, 10)


@DATASETS.register("cifar100", source="Krizhevsky 2009")
@dataclass(frozen=True, kw_only=True)
class CIFAR100Config(DataConfig):
    """CIFAR-100: 60,000 color images of 32×32 in 100 classes (the fine labels)."""

    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    @property
    def info(self) -> DatasetInfo:
        return CIFAR100

    def read(self) -> Splits:
        return _read(self, HUNDRED, self.val_fraction, self.split_seed)

    def fake(self, n: int, root: Path) -> None:
        _fake(n, root, HUNDRED, 100)


def _read(config: DataConfig, layout: Layout, fraction: float, seed: int) -> Splits:
    folder = config.locate(
        f"{layout.binary_test}|{layout.python_test}", inside=(layout.binary_folder, layout.python_folder)
    )
    binary = (folder / layout.binary_test).exists()
    train = layout.binary_train if binary else layout.python_train
    test = layout.binary_test if binary else layout.python_test
    missing = [name for name in train if not (folder / name).exists()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(missing)}; one folder must hold all of:\n{layout.describe()}")
    classes = len(config.info.classes)
    whole = _part([folder / name for name in train], layout, binary, classes)
    kept, val = carve_validation(whole, fraction, seed)
    return Splits(train=kept, val=val, test=_part([folder / test], layout, binary, classes))


def _part(paths: Sequence[Path], layout: Layout, binary: bool, classes: int) -> ArraySamples:
    parts = [_read_binary(path, layout) if binary else _read_python(path, layout) for path in paths]
    for path, (_, labels) in zip(paths, parts, strict=True):
        check_labels(labels, classes, str(path))
    images = torch.from_numpy(np.concatenate([images for images, _ in parts])).view(-1, *SHAPE)
    targets = torch.from_numpy(np.concatenate([labels for _, labels in parts]).astype(np.int64))
    return ArraySamples(images, targets, "+".join(path.name for path in paths), scale=255)


def _read_binary(path: Path, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    data = np.fromfile(path, np.uint8)
    record = layout.label_bytes + PIXELS
    if len(data) == 0 or len(data) % record:
        whole = len(data) // record
        raise DataError(
            f"{path}: {len(data)} bytes are not a whole number of records of {record}; record {whole} at byte "
            f"{whole * record} is cut off"
        )
    table = data.reshape(-1, record)
    return table[:, layout.label_bytes :], table[:, layout.label_bytes - 1]


def _read_python(path: Path, layout: Layout) -> tuple[np.ndarray, np.ndarray]:
    found: Any = read_pickle(path)
    if not isinstance(found, dict) or not {b"data", layout.python_label} <= found.keys():
        raise DataError(
            f"{path}: a CIFAR batch is a dict with 'data' and {layout.python_label.decode()!r}; this holds neither"
        )
    images, labels = found[b"data"], found[layout.python_label]
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != 2 or images.shape[1] != PIXELS:
        raise DataError(
            f"{path}: 'data' must be unsigned bytes of shape [N, {PIXELS}]; got {getattr(images, 'shape', images)}"
        )
    if not isinstance(labels, list) or len(labels) != len(images) or not all(isinstance(v, int) for v in labels):
        raise DataError(f"{path}: {layout.python_label.decode()!r} must be a list of {len(images)} whole numbers")
    return images, np.array(labels, np.int64)


def _fake(n: int, root: Path, layout: Layout, classes: int) -> None:
    rng = np.random.default_rng(0)
    folder = root / layout.binary_folder
    folder.mkdir(parents=True, exist_ok=True)
    each = -(-n // len(layout.binary_train))
    for position, name in enumerate((*layout.binary_train, layout.binary_test)):
        labels = (np.arange(each) + position * each) % classes
        table = np.hstack([*[labels[:, None]] * layout.label_bytes, rng.integers(0, 256, (each, PIXELS))])
        table.astype(np.uint8).tofile(folder / name)

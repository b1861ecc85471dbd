"""MNIST and Fashion-MNIST: 28×28 gray images in the four official IDX files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels
from spikeformers.data.download import RemoteFile
from spikeformers.data.formats.idx import read_idx, write_idx
from spikeformers.data.samples import ArraySamples, Splits

SIDE = 28
FILES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
LAYOUT = "\n".join(f"{name}.gz (or {name}, unpacked)" for name in FILES)
SPLIT = (
    "official 60,000 train and 10,000 test; validation is cut from train with split_seed, every class in equal measure"
)


def _remote(base: str, checksums: tuple[str, ...]) -> tuple[RemoteFile, ...]:
    return tuple(RemoteFile(f"{n}.gz", f"{base}/{n}.gz", f"md5:{c}") for n, c in zip(FILES, checksums, strict=True))


MNIST = DatasetInfo(
    title="MNIST",
    classes=tuple("0123456789"),
    shape=(1, SIDE, SIDE),
    mean=(0.1307,),
    std=(0.3081,),
    license="CC BY-SA 3.0",
    source="Y. LeCun, C. Cortes, C. Burges: The MNIST database of handwritten digits",
    sizes={"train": 60000, "test": 10000},
    split=SPLIT,
    layout=LAYOUT,
    files=_remote(
        "https://ossci-datasets.s3.amazonaws.com/mnist",
        (
            "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "d53e105ee54ea40749a09fcbcd1e9432",
            "9fb629c4189551a2d022fa330f9573f3",
            "ec29112dd5afa0611ce80d1b7f02629c",
        ),
    ),
    mirror=False,
)

FASHION = DatasetInfo(
    title="Fashion-MNIST",
    classes=(
        "T-shirt/top",
        "Trouser",
        "Pullover",
        "Dress",
        "Coat",
        "Sandal",
        "Shirt",
        "Sneaker",
        "Bag",
        "Ankle boot",
    ),
    shape=(1, SIDE, SIDE),
    mean=(0.2860,),
    std=(0.3530,),
    license="MIT",
    source="H. Xiao, K. Rasul, R. Vollgraf, arXiv:1708.07747; zalandoresearch/fashion-mnist",
    sizes={"train": 60000, "test": 10000},
    split=SPLIT,
    layout=LAYOUT,
    files=_remote(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
        (
            "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "25c81989df183df01b3e8a0aad5dffbe",
            "bef4ecab320f06d8554ea6380940ec79",
            "bb300cfdad3c16e7a12a480ee83cd310",
        ),
    ),
    hint="On Debian and Ubuntu `apt-get install dataset-fashion-mnist` puts it where it is found.",
)

DEBIAN_FASHION = "/usr/share/datasets/fashion-mnist"
"""Where Debian's package dataset-fashion-mnist puts the files."""


@DATASETS.register("mnist", source="LeCun et al., Proc. IEEE 86(11), 1998")
@dataclass(frozen=True, kw_only=True)
class MNISTConfig(DataConfig):
    """MNIST: 70,000 handwritten digits, 28×28 gray, in the official IDX files."""

    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    @property
    def info(self) -> DatasetInfo:
        return MNIST

    def read(self) -> Splits:
        return _read(self, self.val_fraction, self.split_seed)

    def fake(self, n: int, root: Path) -> None:
        _fake(n, root)


@DATASETS.register("fashion_mnist", source="Xiao et al., arXiv:1708.07747; zalandoresearch/fashion-mnist")
@dataclass(frozen=True, kw_only=True)
class FashionMNISTConfig(DataConfig):
    """Fashion-MNIST: 70,000 garments, 28×28 gray, in the official IDX files or from Debian's package."""

    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    @property
    def info(self) -> DatasetInfo:
        return FASHION

    def read(self) -> Splits:
        return _read(self, self.val_fraction, self.split_seed, system=(DEBIAN_FASHION,))

    def fake(self, n: int, root: Path) -> None:
        _fake(n, root)


def _read(config: DataConfig, fraction: float, seed: int, system: tuple[str, ...] = ()) -> Splits:
    folder = config.locate(*[f"{name}|{name}.gz" for name in FILES], system=system)
    whole = _part(folder, FILES[0], FILES[1], len(config.info.classes))
    train, val = carve_validation(whole, fraction, seed)
    return Splits(train=train, val=val, test=_part(folder, FILES[2], FILES[3], len(config.info.classes)))


def _part(folder: Path, image_file: str, label_file: str, classes: int) -> ArraySamples:
    images, labels = read_idx(_existing(folder, image_file), 3), read_idx(_existing(folder, label_file), 1)
    if images.shape[1:] != (SIDE, SIDE):
        raise DataError(
            f"{folder / image_file}: images of {images.shape[1]}×{images.shape[2]} pixels, wanted {SIDE}×{SIDE}"
        )
    check_labels(labels, classes, str(folder / label_file))
    pixels = torch.from_numpy(images.copy()).unsqueeze(1)
    return ArraySamples(pixels, torch.from_numpy(labels.astype(np.int64)), image_file, scale=255)


def _existing(folder: Path, name: str) -> Path:
    plain = folder / name
    return plain if plain.exists() else folder / f"{name}.gz"


def _fake(n: int, root: Path) -> None:
    rng = np.random.default_rng(0)
    root.mkdir(parents=True, exist_ok=True)
    for images, labels in ((FILES[0], FILES[1]), (FILES[2], FILES[3])):
        write_idx(root / f"{images}.gz", rng.integers(0, 256, (n, SIDE, SIDE)))
        write_idx(root / f"{labels}.gz", np.arange(n) % 10)

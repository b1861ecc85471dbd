"""Any folder of pictures with one sub-folder a class: ImageNet, Tiny-ImageNet after sorting, Caltech-101, one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation
from spikeformers.data.formats.pictures import read_picture
from spikeformers.data.samples import Indices, Samples, Splits, Subset, as_indices, stratified

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
TRAIN, VAL, TEST = ("train",), ("val", "valid", "validation"), ("test",)
LAYOUT = (
    "CLASS/PICTURE.png (or jpg, …), one folder a class\n"
    "or train/CLASS/PICTURE.png and test/CLASS/PICTURE.png, and val/CLASS/PICTURE.png where there is a validation part"
)


@DATASETS.register("image_folder")
@dataclass(frozen=True, kw_only=True)
class ImageFolderConfig(DataConfig):
    """Pictures in one folder a class, decoded when asked for; set root."""

    size: int = 224
    """Side of the square that pictures are scaled and cut to."""
    channels: int = 3
    """3 for color, 1 for gray."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean of each channel in [0, 1]; the default is ImageNet's."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Deviation of each channel; the default is ImageNet's."""
    mirrored: bool = True
    """Whether a mirrored picture keeps its class; false for text and digits."""
    test_fraction: float = 0.1
    """Share of all samples that is the test part, where the folder has none."""
    val_fraction: float = 0.1
    """Share of all samples (of the training part, where the folder has a test part) that is the validation part."""
    split_seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        if self.size < 1 or self.channels not in (1, 3):
            raise ConfigError(f"size={self.size} must be at least 1 and channels={self.channels} must be 1 or 3")
        if len(self.mean) != self.channels or len(self.std) != self.channels or min(self.std) <= 0:
            raise ConfigError(
                f"mean={self.mean} and std={self.std} need one number for each of the {self.channels} channels, std above 0"
            )
        if min(self.test_fraction, self.val_fraction) <= 0 or self.test_fraction + self.val_fraction >= 1:
            raise ConfigError(
                f"test_fraction={self.test_fraction} and val_fraction={self.val_fraction} must be above 0 "
                "and leave something to train on"
            )
        super().__post_init__()

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are the names of the folders under root, none as long as root is not set."""
        root = Path(self.root) if self.root else None
        return DatasetInfo(
            title="Image folder",
            classes=_classes(_part(root, TRAIN) or root) if root is not None and root.is_dir() else (),
            shape=(self.channels, self.size, self.size),
            mean=self.mean,
            std=self.std,
            license="that of the pictures",
            source="one's own pictures",
            sizes={},
            split="the folders train, val and test where they exist; otherwise drawn with split_seed, every class in equal measure",
            layout=LAYOUT,
            mirror=self.mirrored,
        )

    def read(self) -> Splits:
        root = Path(self.root) if self.root else None
        if root is None or not root.is_dir() or not self.info.classes:
            raise DataError(self._missing([root] if root else []))
        train, val, test = (_part(root, names) for names in (TRAIN, VAL, TEST))
        if train is None:
            whole = self._pictures(root)
            parts = stratified(whole.labels, (self.test_fraction, self.val_fraction), self.split_seed)
            return Splits(test=Subset(whole, parts[0]), val=Subset(whole, parts[1]), train=Subset(whole, parts[2]))
        if test is None:
            raise DataError(f"{root} has a folder train but none called test; it must look like:\n{LAYOUT}")
        if val is not None:
            return Splits(train=self._pictures(train), val=self._pictures(val), test=self._pictures(test))
        kept, carved = carve_validation(self._pictures(train), self.val_fraction, self.split_seed)
        return Splits(train=kept, val=carved, test=self._pictures(test))

    def _pictures(self, folder: Path) -> "Pictures":
        classes = self.info.classes
        if unknown := set(_classes(folder)) - set(classes):
            raise DataError(f"{folder} has classes that the training part lacks: {', '.join(sorted(unknown)[:5])}")
        items = [
            (path, label)
            for label, name in enumerate(classes)
            for path in sorted((folder / name).rglob("*"))
            if path.suffix.lower() in ENDINGS
        ]
        if not items:
            raise DataError(f"{folder} holds no pictures ({', '.join(ENDINGS)}); it must look like:\n{LAYOUT}")
        return Pictures(items, self.channels, self.size)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(n):
            folder = root / ("cat", "dog", "owl")[i % 3]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8).tobytes()
            (folder / f"{i}.ppm").write_bytes(b"P6\n12 9\n255\n" + pixels)


class Pictures(Samples):
    """Picture files with labels, decoded when asked for."""

    def __init__(self, items: Sequence[tuple[Path, int]], channels: int, size: int) -> None:
        self._paths, self._channels, self._size = [path for path, _ in items], channels, size
        self.labels = torch.tensor([label for _, label in items], dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._paths)

    def inputs(self, indices: Indices) -> Tensor:
        found = [read_picture(self._paths[i], self._channels, self._size) for i in as_indices(indices).tolist()]
        return torch.stack(found).to(torch.float32) / 255

    def targets(self, indices: Indices) -> Tensor:
        return self.labels[as_indices(indices)]

    def name(self, index: int) -> str:
        return "/".join(self._paths[index].parts[-3:])


def _part(root: Path | None, names: tuple[str, ...]) -> Path | None:
    return next((root / name for name in names if (root / name).is_dir()), None) if root is not None else None


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")))

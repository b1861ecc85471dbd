"""Any folder of pictures with one sub-folder a class: ImageNet, Tiny-ImageNet after sorting, Caltech-101, one's own."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.folders import check_fractions, classes_under, folder_layout, folder_splits, labeled_files
from spikeformers.data.formats.pictures import check_square, read_picture
from spikeformers.data.samples import Indices, Samples, Splits, as_indices

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
LAYOUT = folder_layout("PICTURE", "png, jpg, …")


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
        check_square(self.size, self.channels, self.mean, self.std)
        check_fractions(self.test_fraction, self.val_fraction)
        super().__post_init__()

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are the names of the folders under root, none as long as root is not set."""
        return DatasetInfo(
            title="Image folder",
            classes=classes_under(self.root),
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
        return folder_splits(
            root,
            self._pictures,
            test_fraction=self.test_fraction,
            val_fraction=self.val_fraction,
            seed=self.split_seed,
            layout=LAYOUT,
        )

    def _pictures(self, folder: Path) -> "Pictures":
        paths, labels = labeled_files(folder, self.info.classes, ENDINGS, LAYOUT)
        return Pictures(paths, labels, self.channels, self.size)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(n):
            folder = root / ("cat", "dog", "owl")[i % 3]
            folder.mkdir(parents=True, exist_ok=True)
            pixels = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8).tobytes()
            (folder / f"{i}.ppm").write_bytes(b"P6\n12 9\n255\n" + pixels)


class Pictures(Samples):
    """Picture files with labels, decoded when asked for."""

    def __init__(self, paths: Sequence[Path], labels: Sequence[int], channels: int, size: int) -> None:
        self._paths, self._channels, self._size = list(paths), channels, size
        self._labels = torch.tensor(labels, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._paths)

    def inputs(self, indices: Indices) -> Tensor:
        found = [read_picture(self._paths[i], self._channels, self._size) for i in as_indices(indices).tolist()]
        return torch.stack(found).to(torch.float32) / 255

    def targets(self, indices: Indices) -> Tensor:
        return self._labels[as_indices(indices)]

    def name(self, index: int) -> str:
        return "/".join(self._paths[index].parts[-3:])

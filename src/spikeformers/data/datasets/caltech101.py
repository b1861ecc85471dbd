"""Caltech-101: pictures of objects of 101 categories, about 300×200 pixels."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.datasets.image_folder import Pictures
from spikeformers.data.download import RemoteFile
from spikeformers.data.folders import check_fractions, class_names
from spikeformers.data.formats.pictures import write_picture
from spikeformers.data.samples import Splits, Subset, stratified

FOLDER = "101_ObjectCategories"
INSIDE = ("caltech-101",)
BACKGROUND = "BACKGROUND_Google"
LAYOUT = f"{FOLDER}/CLASS/image_NNNN.jpg for 101 classes; {BACKGROUND} may lie beside them and is left out"


@DATASETS.register("caltech101", source="Fei-Fei, Fergus & Perona, CVPR workshop 2004")
@dataclass(frozen=True, kw_only=True)
class Caltech101Config(DataConfig):
    """Caltech-101: 8,677 color pictures in 101 classes without the background, decoded when asked for."""

    size: int = 224
    """Side of the square that pictures are scaled and cut to."""
    test_fraction: float = 0.2
    """Share of all samples that is the test part (there is no official one)."""
    val_fraction: float = 0.1
    """Share of all samples that is the validation part."""
    split_seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ConfigError(f"size={self.size} must be at least 1")
        check_fractions(self.test_fraction, self.val_fraction)

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are the names of the folders, none as long as they are not there."""
        return DatasetInfo(
            title="Caltech-101",
            classes=self._classes(),
            shape=(3, self.size, self.size),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            license="CC BY 4.0",
            source="L. Fei-Fei, R. Fergus, P. Perona, CVPR workshop on generative-model based vision, 2004; mean and std are "
            "ImageNet's",
            sizes={"all": 8677},
            split="none official; drawn with split_seed, every class in equal measure: 70 % train, 10 % validation, 20 % test",
            layout=LAYOUT,
            files=(
                RemoteFile(
                    "caltech-101.zip",
                    "https://data.caltech.edu/records/mzrjq-6wc02/files/caltech-101.zip",
                    unpack=True,
                ),
            ),
            hint=f"Unpack caltech-101/{FOLDER}.tar.gz as well, which lies inside the archive.",
        )

    def _classes(self) -> tuple[str, ...]:
        folder = self.find(FOLDER, inside=INSIDE)
        return tuple(name for name in class_names(folder / FOLDER) if name != BACKGROUND) if folder is not None else ()

    def read(self) -> Splits:
        folder = self.locate(FOLDER, inside=INSIDE) / FOLDER
        items = [(p, k) for k, name in enumerate(self._classes()) for p in sorted((folder / name).glob("*.jpg"))]
        if not items:
            raise DataError(f"{folder} holds no pictures; wanted {LAYOUT}")
        labels = torch.tensor([label for _, label in items])
        whole = Pictures([path for path, _ in items], labels.tolist(), 3, self.size)
        test, val, train = stratified(labels, (self.test_fraction, self.val_fraction), self.split_seed)
        return Splits(train=Subset(whole, train), val=Subset(whole, val), test=Subset(whole, test))

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(n):
            folder = root / FOLDER / ("Faces", "accordion", "yin_yang", BACKGROUND)[i % 4]
            folder.mkdir(parents=True, exist_ok=True)
            write_picture(folder / f"image_{i // 4 + 1:04d}.jpg", rng.integers(0, 256, (20, 30, 3), dtype=np.uint8))

"""ScanObjectNN: objects cut out of real indoor scans, 2,048 points each."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels
from spikeformers.data.formats.hdf5_arrays import read_arrays, write_arrays
from spikeformers.data.points.clouds import Clouds, to_unit_ball
from spikeformers.data.points.views import Slices, ViewConfig
from spikeformers.data.samples import Splits

CLASSES = (
    "bag",
    "bin",
    "box",
    "cabinet",
    "chair",
    "desk",
    "display",
    "door",
    "shelf",
    "table",
    "bed",
    "pillow",
    "sink",
    "sofa",
    "toilet",
)
FILES = {"plain": "objectdataset.h5", "hardest": "objectdataset_augmentedrot_scale75.h5"}
SIZES = {"plain": {"train": 2309, "test": 581}, "hardest": {"train": 11416, "test": 2882}}
POINTS = 2048


@DATASETS.register("scanobjectnn", source="Uy et al., ICCV 2019, arXiv:1908.04616; hkust-vgd/scanobjectnn")
@dataclass(frozen=True, kw_only=True)
class ScanObjectNNConfig(DataConfig):
    """ScanObjectNN: clouds of points of scanned objects, in the official main split."""

    variant: Literal["plain", "hardest"] = "hardest"
    """Objects as they are (OBJ_BG, OBJ_ONLY), or shifted, turned and scaled boxes (PB_T50_RS)."""
    background: bool = True
    """Whether points around the object stay (OBJ_BG) or are cut away (OBJ_ONLY)."""
    view: ViewConfig = Slices(axis="y")
    """What a model gets: slices of an occupancy grid as time steps, or the points. Up is y."""
    points: int = 1024
    """Points of a cloud, the first of the 2,048."""
    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 1 <= self.points <= POINTS:
            raise ConfigError(f"points={self.points} must lie between 1 and {POINTS}")

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape(self.points, 3)
        return DatasetInfo(
            title="ScanObjectNN",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for research, after agreeing to its terms (hkust-vgd.github.io/scanobjectnn)",
            source="M. A. Uy, Q.-H. Pham, B.-S. Hua, D. T. Nguyen, S.-K. Yeung, ICCV 2019",
            sizes=SIZES[self.variant],
            split="official main split (sizes recalled); validation is cut from train with split_seed, every class in equal "
            "measure. One scanned object gives several samples of PB_T50_RS, and the files do not tell which belong together, "
            "so validation and training share objects there; test shares none",
            layout=f"{self._folder}/training_{FILES[self.variant]}\n{self._folder}/test_{FILES[self.variant]}",
            hint="Agree to the terms on https://hkust-vgd.github.io/scanobjectnn and unpack h5_files.zip.",
            unit_range=False,
        )

    @property
    def _folder(self) -> str:
        return "main_split" if self.background else "main_split_nobg"

    def read(self) -> Splits:
        names = [f"{self._folder}/{part}_{FILES[self.variant]}" for part in ("training", "test")]
        folder = self.locate(*names, inside=("h5_files",))
        train, test = (self._part(folder / name) for name in names)
        kept, val = carve_validation(train, self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=test)

    def _part(self, path: Path) -> Clouds:
        data, label = read_arrays(path, "data", "label")
        if data.shape[1:] != (POINTS, 3) or label.shape != data.shape[:1]:
            raise DataError(f"{path}: data {data.shape} and label {label.shape}; wanted [n, {POINTS}, 3] and [n]")
        check_labels(label, len(CLASSES), str(path))
        clouds = torch.from_numpy(data[:, : self.points].astype(np.float32))
        return Clouds(to_unit_ball(clouds), torch.from_numpy(label.astype(np.int64)), path.name, self.view)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        (root / self._folder).mkdir(parents=True, exist_ok=True)
        for part in ("training", "test"):
            arrays = {
                "data": rng.uniform(-1, 1, (n, POINTS, 3)).astype(np.float32),
                "label": (np.arange(n) % len(CLASSES)).astype(np.int32),
                "mask": rng.integers(-1, 1, (n, POINTS)).astype(np.int32),
            }
            write_arrays(root / self._folder / f"{part}_{FILES[self.variant]}", arrays)

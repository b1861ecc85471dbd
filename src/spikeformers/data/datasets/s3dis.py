"""S3DIS: rooms of six floors of office buildings, every point with color and class."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.rng import generator
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.points.clouds import check_cloud, take_points
from spikeformers.data.points.files import LabeledClouds
from spikeformers.data.samples import Samples, Splits

CLASSES = (
    "ceiling",
    "floor",
    "wall",
    "beam",
    "column",
    "window",
    "door",
    "table",
    "chair",
    "sofa",
    "bookcase",
    "board",
    "clutter",
)
SYNONYMS = {"stairs": "clutter"}
"""Objects of Area_2 whose class is scored as another."""
AREAS = tuple(f"Area_{i}" for i in range(1, 7))
FOLDER = "Stanford3dDataset_v1.2_Aligned_Version"
LAYOUT = (
    f"{FOLDER}/Area_1 … Area_6/ROOM/Annotations/CLASS_N.txt, lines of x y z red green blue (meters, 0 … 255)\n"
    f"for CLASS = {', '.join(CLASSES)}, stairs (counted as clutter)"
)

Crop = tuple[Path, int]
"""A room, and which of its crops."""


@DATASETS.register("s3dis", source="Armeni et al., CVPR 2016")
@dataclass(frozen=True, kw_only=True)
class S3DISConfig(DataConfig):
    """S3DIS: crops of rooms as points [N, 6] (x, y, z from the crop's center in meters, color in [0, 1]), a class each."""

    points: int = 4096
    """Points of a crop: those nearest to its center in the plan of the room."""
    crops: int = 16
    """Crops of each room; each has a point of the room, drawn at random, as its center."""
    sample_seed: int = 0
    """Seed of the centers; every crop has its own stream."""
    test_area: str = "Area_5"
    """Which floor is the test part."""
    val_area: str = "Area_6"
    """Which floor is the validation part."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("points", "crops"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("test_area", "val_area"):
            if getattr(self, name) not in AREAS:
                raise ConfigError(f"{name}={getattr(self, name)!r} is not one of {', '.join(AREAS)}")
        if self.test_area == self.val_area:
            raise ConfigError(f"test_area and val_area are both {self.test_area!r}; they must differ")

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="S3DIS",
            classes=CLASSES,
            shape=(self.points, 6),
            mean=(0.0,) * 6,
            std=(1.0,) * 6,
            license="for research, after agreeing to its terms (Stanford)",
            source="I. Armeni et al.: 3D Semantic Parsing of Large-Scale Indoor Spaces, CVPR 2016",
            sizes={"rooms": 272},
            split="by floor: Area_5 is tested on, as usual; Area_6 is the validation part, the other four train",
            layout=LAYOUT,
            hint="Ask for it at http://buildingparser.stanford.edu/dataset.html. Line 180389 of "
            "Area_5/hallway_6/Annotations/ceiling_1.txt of the original is damaged and has to be mended by hand.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*AREAS, inside=(FOLDER,))
        train = [area for area in AREAS if area not in (self.test_area, self.val_area)]
        parts = [self._part(folder, areas) for areas in (train, [self.val_area], [self.test_area])]
        return Splits(*parts)

    def _part(self, folder: Path, areas: Sequence[str]) -> Samples:
        rooms = [room.parent for area in areas for room in sorted((folder / area).glob("*/Annotations"))]
        if not rooms:
            raise DataError(f"{folder}: no rooms in {', '.join(areas)}; wanted\n{LAYOUT}")
        crops = [(room, i) for room in rooms for i in range(self.crops)]
        return LabeledClouds(crops, _Rooms(self), _name)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(max(6, -(-n // self.crops))):
            folder = root / FOLDER / AREAS[i % 6] / f"office_{i // 6 + 1}" / "Annotations"
            folder.mkdir(parents=True, exist_ok=True)
            for name in ("floor", "table", "clutter"):
                table = np.hstack([rng.uniform(0, 5, (50, 3)).round(3), rng.integers(0, 256, (50, 3))])
                np.savetxt(folder / f"{name}_1.txt", table, "%g")


def _name(crop: Crop) -> str:
    return f"{'/'.join(crop[0].parts[-2:])}#{crop[1]}"


class _Rooms:
    """Crops of rooms; the latest room stays in memory."""

    def __init__(self, config: S3DISConfig) -> None:
        self._config = config
        self._last: tuple[Path, Tensor, Tensor] | None = None

    def __call__(self, crop: Crop) -> tuple[Tensor, Tensor]:
        room = crop[0]
        if self._last is None or self._last[0] != room:
            self._last = (room, *read_room(room))
        _, points, classes = self._last
        stream = generator(self._config.sample_seed, zlib.crc32(_name(crop).encode()))
        center = points[int(torch.randint(len(points), (), generator=stream)), :3]
        order = (points[:, :2] - center[:2]).square().sum(1).argsort(stable=True)[: self._config.points]
        kept = order[take_points(order, self._config.points, stream)] if len(order) < self._config.points else order
        moved = torch.cat([points[kept, :3] - center, points[kept, 3:] / 255], 1)
        return moved, classes[kept]


def read_room(room: Path) -> tuple[Tensor, Tensor]:
    """Points [N, 6] of a room as in its files, and the class of each [N].

    Raises:
        DataError: there are none, a file's name is no class, or a line is not six finite numbers; names the line.
    """
    clouds, classes = [], []
    for path in sorted((room / "Annotations").glob("*.txt")):
        kind = path.stem.rpartition("_")[0]
        kind = SYNONYMS.get(kind, kind)
        if kind not in CLASSES:
            raise DataError(f"{path}: {kind!r} is none of the classes {', '.join(CLASSES)}")
        points = torch.from_numpy(_table(path))
        clouds.append(check_cloud(points, str(path)))
        classes.append(torch.full((len(points),), CLASSES.index(kind)))
    if not clouds:
        raise DataError(f"{room}: an empty cloud; no CLASS_N.txt in Annotations")
    return torch.cat(clouds), torch.cat(classes)


def _table(path: Path) -> np.ndarray:
    lines = path.read_bytes().splitlines()
    try:
        return np.array(b" ".join(lines).split(), dtype=np.float32).reshape(-1, 6)
    except ValueError:
        for number, line in enumerate(lines, start=1):
            try:
                fine = len(np.array(line.split(), dtype=np.float32)) in (0, 6)
            except ValueError:
                fine = False
            if not fine:
                raise DataError(f"{path} line {number}: {line[:60]!r} is not x y z red green blue") from None
    raise DataError(f"{path}: not a table of x y z red green blue")

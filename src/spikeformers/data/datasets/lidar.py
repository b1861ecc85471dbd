"""One's own airborne laser scans: a folder of LAS or LAZ tiles, cut into square blocks, a class for every point."""

import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.rng import generator
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.folders import check_fractions
from spikeformers.data.formats.las import Scan, read_las, write_las
from spikeformers.data.points.clouds import take_points
from spikeformers.data.points.files import LabeledClouds
from spikeformers.data.samples import Splits, stratified

CLASSES = (
    "never classified",
    "unclassified",
    "ground",
    "low vegetation",
    "medium vegetation",
    "high vegetation",
    "building",
    "low point",
    "model key",
    "water",
    "rail",
    "road",
    "overlap",
    "wire guard",
    "wire conductor",
    "transmission tower",
    "wire connector",
    "bridge deck",
    "high noise",
)
"""ASPRS class codes 0 … 18. Source: ASPRS, "LAS Specification 1.4 R15", table 17."""
ENDINGS = (".las", ".laz")
LAYOUT = "NAME.las or NAME.laz, any number, with class codes 0 … 18 of the ASPRS"
INTENSITY = 65535.0


@dataclass(frozen=True)
class Block:
    """One square of a tile, counted from its corner."""

    path: Path
    column: int
    row: int


@DATASETS.register("lidar", source="ASPRS LAS Specification 1.4 R15 (the format)")
@dataclass(frozen=True, kw_only=True)
class LidarConfig(DataConfig):
    """LAS and LAZ tiles as blocks of points [N, 4] (x, y, z from the block's middle, intensity in [0, 1]), a class each."""

    points: int = 2048
    """Points of a sample, drawn from the block without repetition as far as they go."""
    block: float = 50.0
    """Side of a block, in the unit of the tiles."""
    least: int = 64
    """Blocks with fewer points are left out."""
    test_fraction: float = 0.2
    """Share of all blocks that is the test part."""
    val_fraction: float = 0.1
    """Share of all blocks that is the validation part."""
    split_seed: int = 0
    """Seed of the split and of the draws."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("points", "least"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if not self.block > 0:
            raise ConfigError(f"block={self.block} must be above 0")
        check_fractions(self.test_fraction, self.val_fraction)

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="Laser scans",
            classes=CLASSES,
            shape=(self.points, 4),
            mean=(0.0,) * 4,
            std=(1.0,) * 4,
            license="that of the tiles",
            source="one's own tiles",
            sizes={},
            split="by block, drawn with split_seed: blocks do not overlap, but neighbors may be in different parts",
            layout=LAYOUT,
            unit_range=False,
        )

    def read(self) -> Splits:
        root = Path(self.root) if self.root else None
        paths = sorted(p for p in root.rglob("*") if p.suffix.lower() in ENDINGS) if root and root.is_dir() else []
        if not paths:
            raise DataError(self._missing([root] if root else []))
        tiles = _Tiles(self)
        blocks = [block for path in paths for block in tiles.blocks(path)]
        if len(blocks) < 3:
            raise ConfigError(
                f"the tiles have {len(blocks)} blocks of side {self.block} with {self.least} points or more, and three parts "
                "need three; lower block or least"
            )
        parts = stratified(torch.zeros(len(blocks)), (self.test_fraction, self.val_fraction), self.split_seed)
        test, val, train = ([blocks[i] for i in part.tolist()] for part in parts)
        return Splits(*[LabeledClouds(part, tiles.sample, _name) for part in (train, val, test)])

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        columns = -(-n // 8)
        count = columns * 8 * self.least * 2
        places = rng.uniform(0, 1, (count, 3)) * (columns * self.block, 8 * self.block, 20.0)
        classes = np.where(places[:, 2] < 5, 2, 5)
        write_las(root / "tile.las", Scan(places, rng.uniform(0, INTENSITY, count), classes))


class _Tiles:
    """Blocks of tiles; the latest tile stays in memory."""

    def __init__(self, config: LidarConfig) -> None:
        self._config = config
        self._last: tuple[Path, Scan, np.ndarray] | None = None

    def blocks(self, path: Path) -> list[Block]:
        """The blocks of a tile that have points enough."""
        _, cells = self._tile(path)
        found, counts = np.unique(cells, axis=0, return_counts=True)
        return [Block(path, int(column), int(row)) for column, row in found[counts >= self._config.least]]

    def sample(self, block: Block) -> tuple[Tensor, Tensor]:
        """The points [N, 4] of a block and their classes [N]."""
        scan, cells = self._tile(block.path)
        members = np.flatnonzero((cells == (block.column, block.row)).all(1))
        stream = generator(self._config.split_seed, zlib.crc32(_name(block).encode()))
        kept = members[take_points(torch.from_numpy(members), self._config.points, stream).numpy()]
        side = self._config.block
        corner = scan.places.min(0)
        middle = (np.array([block.column + 0.5, block.row + 0.5]) * side + corner[:2]).tolist()
        places = scan.places[kept] - np.array([*middle, scan.places[members, 2].mean()])
        points = np.hstack([places, scan.intensity[kept, None] / INTENSITY])
        return torch.from_numpy(points.astype(np.float32)), torch.from_numpy(scan.classes[kept])

    def _tile(self, path: Path) -> tuple[Scan, np.ndarray]:
        if self._last is None or self._last[0] != path:
            scan = read_las(path)
            wrong = np.flatnonzero((scan.classes < 0) | (scan.classes >= len(CLASSES)))
            if len(wrong):
                raise DataError(f"{path}: point {wrong[0]} has the class {scan.classes[wrong[0]]}, outside 0 … 18")
            cells = ((scan.places[:, :2] - scan.places[:, :2].min(0)) / self._config.block).astype(np.int64)
            self._last = (path, scan, cells)
        return self._last[1:]


def _name(block: Block) -> str:
    return f"{block.path.name}#{block.column},{block.row}"

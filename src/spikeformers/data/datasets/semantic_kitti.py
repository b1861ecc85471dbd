"""SemanticKITTI: scans of a turning laser on a driving car, a class for every point."""

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
    "unlabeled",
    "car",
    "bicycle",
    "motorcycle",
    "truck",
    "other-vehicle",
    "person",
    "bicyclist",
    "motorcyclist",
    "road",
    "parking",
    "sidewalk",
    "other-ground",
    "building",
    "fence",
    "vegetation",
    "trunk",
    "terrain",
    "pole",
    "traffic-sign",
)
LEARNED = {
    **{0: 0, 1: 0, 10: 1, 11: 2, 13: 5, 15: 3, 16: 5, 18: 4, 20: 5, 30: 6, 31: 7, 32: 8, 40: 9, 44: 10, 48: 11, 49: 12},
    **{50: 13, 51: 14, 52: 0, 60: 9, 70: 15, 71: 16, 72: 17, 80: 18, 81: 19, 99: 0},
    **{252: 1, 253: 7, 254: 6, 255: 8, 256: 5, 257: 5, 258: 4, 259: 5},
}
"""Code in a file → position in CLASSES. Source: PRBonn/semantic-kitti-api, config/semantic-kitti.yaml (learning_map)."""
SEQUENCES = ("00", "01", "02", "03", "04", "05", "06", "07", "08", "09", "10")
LAYOUT = (
    "sequences/00 … 10/velodyne/NNNNNN.bin, four float32 (little endian) a point: x, y, z in meters, remission\n"
    "sequences/00 … 10/labels/NNNNNN.label, one uint32 a point: lower 16 bits class, upper 16 bits instance"
)


@DATASETS.register("semantic_kitti", source="Behley et al., ICCV 2019, arXiv:1904.01416; PRBonn/semantic-kitti-api")
@dataclass(frozen=True, kw_only=True)
class SemanticKITTIConfig(DataConfig):
    """SemanticKITTI: laser scans as points [N, 4] (x, y, z in meters, remission), a class for each point."""

    points: int = 16384
    """Points of a sample, drawn from the scan without repetition as far as they go."""
    sample_seed: int = 0
    """Seed of the draws; every scan has its own stream."""
    test_sequence: str = "08"
    """The drive that is the test part."""
    val_sequence: str = "07"
    """The drive that is the validation part."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 1:
            raise ConfigError(f"points={self.points} must be at least 1")
        for name in ("test_sequence", "val_sequence"):
            if getattr(self, name) not in SEQUENCES:
                raise ConfigError(f"{name}={getattr(self, name)!r} is not one of {', '.join(SEQUENCES)}")
        if self.test_sequence == self.val_sequence:
            raise ConfigError(f"test_sequence and val_sequence are both {self.test_sequence!r}; they must differ")

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="SemanticKITTI",
            classes=CLASSES,
            shape=(self.points, 4),
            mean=(0.0,) * 4,
            std=(1.0,) * 4,
            license="CC BY-NC-SA 4.0 (labels); CC BY-NC-SA 3.0 (KITTI)",
            source="J. Behley et al.: SemanticKITTI, ICCV 2019; scans of the KITTI odometry benchmark",
            sizes={"labeled scans": 23201},
            split="by drive: the labels of the official test (11 … 21) are not public, so drive 08, the official validation, is "
            "tested on and drive 07 of the official training part is the validation part. Class 0 (unlabeled) is not scored",
            layout=LAYOUT,
            hint="Get the KITTI odometry scans and the labels from http://semantic-kitti.org/dataset.html.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate("sequences", inside=("dataset",)) / "sequences"
        train = [name for name in SEQUENCES if name not in (self.test_sequence, self.val_sequence)]
        parts = [self._part(folder, names) for names in (train, [self.val_sequence], [self.test_sequence])]
        return Splits(*parts)

    def _part(self, folder: Path, names: Sequence[str]) -> Samples:
        scans = [scan for name in names for scan in sorted((folder / name / "velodyne").glob("*.bin"))]
        if not scans:
            raise DataError(f"{folder}: no scans in {', '.join(names)}; wanted\n{LAYOUT}")
        return LabeledClouds(scans, self._scan, _name)

    def _scan(self, path: Path) -> tuple[Tensor, Tensor]:
        points = read_scan(path)
        classes = read_classes(path.parent.parent / "labels" / f"{path.stem}.label")
        if len(points) != len(classes):
            raise DataError(f"{path}: {len(points)} points, but its labels are {len(classes)}")
        stream = generator(self.sample_seed, zlib.crc32(_name(path).encode()))
        kept = take_points(points, self.points, stream)
        return points[kept], classes[kept]

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        codes = np.array(list(LEARNED), np.uint32)
        for i in range(max(n, len(SEQUENCES))):
            folder = root / "sequences" / SEQUENCES[i % len(SEQUENCES)]
            for part in ("velodyne", "labels"):
                (folder / part).mkdir(parents=True, exist_ok=True)
            number = f"{i // len(SEQUENCES):06d}"
            rng.normal(0, 20, (80, 4)).astype("<f4").tofile(folder / "velodyne" / f"{number}.bin")
            labels = rng.choice(codes, 80) | rng.integers(0, 9, 80).astype(np.uint32) << np.uint32(16)
            labels.astype("<u4").tofile(folder / "labels" / f"{number}.label")


def read_scan(path: Path) -> Tensor:
    """Points [N, 4] of a scan: x, y, z, remission.

    Raises:
        DataError: the file cannot be read, is cut off or empty, or holds a value that is not finite.
    """
    return check_cloud(torch.from_numpy(_numbers(path, "<f4", 4).reshape(-1, 4).astype(np.float32)), str(path))


def read_classes(path: Path) -> Tensor:
    """Class of each point [N], as position in CLASSES.

    Raises:
        DataError: the file cannot be read, is cut off, or holds a code that is not known.
    """
    codes = _numbers(path, "<u4", 1) & 0xFFFF
    table = np.full(1 << 16, -1, np.int64)
    table[list(LEARNED)] = list(LEARNED.values())
    classes = table[codes]
    wrong = np.flatnonzero(classes < 0)
    if len(wrong):
        raise DataError(f"{path}: point {wrong[0]} has the class {codes[wrong[0]]}, which SemanticKITTI does not have")
    return torch.from_numpy(classes)


def _numbers(path: Path, kind: str, columns: int) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    size = columns * np.dtype(kind).itemsize
    if len(data) % size:
        raise DataError(f"{path}: cut off at its byte {len(data)}; a point has {size} bytes")
    return np.frombuffer(data, kind)


def _name(path: Path) -> str:
    return f"{path.parts[-3]}/{path.stem}"

"""ModelNet10 and ModelNet40: CAD models of objects, as meshes or as points sampled from them."""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.rng import generator
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels, data_folder
from spikeformers.data.download import RemoteFile
from spikeformers.data.formats.hdf5_arrays import read_arrays
from spikeformers.data.formats.off import read_off, write_off
from spikeformers.data.points.clouds import Clouds, check_cloud, to_unit_ball
from spikeformers.data.points.files import CloudFiles, CloudReader
from spikeformers.data.points.mesh import make_mesh, sample_surface
from spikeformers.data.points.views import Slices, ViewConfig
from spikeformers.data.samples import Samples, Splits

CLASSES_40 = (
    "airplane",
    "bathtub",
    "bed",
    "bench",
    "bookshelf",
    "bottle",
    "bowl",
    "car",
    "chair",
    "cone",
    "cup",
    "curtain",
    "desk",
    "door",
    "dresser",
    "flower_pot",
    "glass_box",
    "guitar",
    "keyboard",
    "lamp",
    "laptop",
    "mantel",
    "monitor",
    "night_stand",
    "person",
    "piano",
    "plant",
    "radio",
    "range_hood",
    "sink",
    "sofa",
    "stairs",
    "stool",
    "table",
    "tent",
    "toilet",
    "tv_stand",
    "vase",
    "wardrobe",
    "xbox",
)
CLASSES_10 = ("bathtub", "bed", "chair", "desk", "dresser", "monitor", "night_stand", "sofa", "table", "toilet")
SIZES = {10: {"train": 3991, "test": 908}, 40: {"train": 9843, "test": 2468}}
HDF5_POINTS = 2048
HDF5_FOLDER = "modelnet40_ply_hdf5_2048"
RESAMPLED_FOLDER = "modelnet40_normal_resampled"


@DATASETS.register(
    "modelnet40", variants={"modelnet10": {"classes": 10}}, source="Wu et al., CVPR 2015, arXiv:1406.5670"
)
@dataclass(frozen=True, kw_only=True)
class ModelNetConfig(DataConfig):
    """ModelNet40 (or 10): clouds of points of CAD models, one object each."""

    classes: Literal[10, 40] = 40
    """How many classes: ModelNet10 or ModelNet40."""
    view: ViewConfig = Slices()
    """What a model gets: slices of an occupancy grid as time steps, or the points."""
    points: int = 1024
    """Points of a cloud: the first of those in the file, or drawn evenly from the surface of a mesh."""
    sample_seed: int = 0
    """Seed of the draws from meshes; every mesh has its own stream."""
    cache: bool = False
    """Keep finished clouds in the data folder instead of reading meshes and texts each time."""
    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 1:
            raise ConfigError(f"points={self.points} must be at least 1")

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape(self.points, 3)
        number = self.classes
        layout = (
            f"ModelNet{number}/ with CLASS/train/*.off and CLASS/test/*.off (meshes)\n"
            f"or {RESAMPLED_FOLDER}/ with modelnet{number}_train.txt, modelnet{number}_test.txt and CLASS/NAME.txt "
            "(lines of x,y,z,…)"
        )
        hdf5 = (
            f"\nor {HDF5_FOLDER}/ with train_files.txt, test_files.txt and the .h5 files they name (data, label)"
            if number == 40
            else ""
        )
        return DatasetInfo(
            title=f"ModelNet{number}",
            classes=CLASSES_40 if number == 40 else CLASSES_10,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="for academic research; the models belong to their authors (modelnet.cs.princeton.edu)",
            source="Z. Wu et al.: 3D ShapeNets, CVPR 2015; points in HDF5 by C. Qi et al. (PointNet)",
            sizes=SIZES[number],
            split="official train and test; validation is cut from train with split_seed, every class in equal measure. "
            "The HDF5 files of ModelNet40 hold 9,840 training models, not 9,843",
            layout=layout + hdf5,
            files=(
                RemoteFile(
                    f"ModelNet{number}.zip",
                    f"http://modelnet.cs.princeton.edu/ModelNet{number}.zip"
                    if number == 40
                    else "http://vision.princeton.edu/projects/2014/3DShapeNets/ModelNet10.zip",
                    unpack=True,
                ),
            ),
            unit_range=False,
        )

    def read(self) -> Splits:
        number, first = self.classes, self.info.classes[0]
        options = [first, f"modelnet{number}_train.txt", *(["train_files.txt"] if number == 40 else [])]
        folder = self.locate("|".join(options), inside=(f"ModelNet{number}", RESAMPLED_FOLDER, HDF5_FOLDER))
        if number == 40 and (folder / "train_files.txt").exists():
            train, test = (self._hdf5(folder, part) for part in ("train", "test"))
        elif (folder / f"modelnet{number}_train.txt").exists():
            train, test = (self._resampled(folder, part) for part in ("train", "test"))
        else:
            train, test = (self._meshes(folder, part) for part in ("train", "test"))
        kept, val = carve_validation(train, self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=test)

    def _hdf5(self, folder: Path, part: str) -> Samples:
        if self.points > HDF5_POINTS:
            raise ConfigError(f"points={self.points}, but the HDF5 files of ModelNet40 have {HDF5_POINTS} a model")
        clouds, labels, names = [], [], []
        for name in _lines(folder / f"{part}_files.txt"):
            path = folder / Path(name).name
            data, label = read_arrays(path, "data", "label")
            if data.shape[1:] != (HDF5_POINTS, 3) or label.size != len(data):
                raise DataError(
                    f"{path}: data {data.shape} and label {label.shape}; wanted [n, {HDF5_POINTS}, 3] and [n, 1]"
                )
            check_labels(label.ravel(), len(self.info.classes), str(path))
            wrong = np.flatnonzero(~np.isfinite(data).all((1, 2)))
            if len(wrong):
                raise DataError(f"{path}: sample {wrong[0]} holds values that are not finite (NaN or infinite)")
            clouds.append(torch.from_numpy(data[:, : self.points].astype(np.float32)))
            labels.append(torch.from_numpy(label.ravel().astype(np.int64)))
            names += [f"{path.name}#{i}" for i in range(len(data))]
        return Clouds(to_unit_ball(torch.cat(clouds)), torch.cat(labels), folder.name, self.view, names)

    def _resampled(self, folder: Path, part: str) -> Samples:
        classes, items = self.info.classes, []
        for name in _lines(folder / f"modelnet{self.classes}_{part}.txt"):
            kind = name.rpartition("_")[0]
            if kind not in classes:
                raise DataError(f"{folder}/modelnet{self.classes}_{part}.txt: {name!r} is of none of the classes")
            items.append((folder / kind / f"{name}.txt", classes.index(kind)))
        return CloudFiles(items, self._reader(self._read_text), self.view)

    def _meshes(self, folder: Path, part: str) -> Samples:
        classes = self.info.classes
        items = [(p, k) for k, name in enumerate(classes) for p in sorted((folder / name / part).glob("*.off"))]
        empty = [name for k, name in enumerate(classes) if all(label != k for _, label in items)]
        if empty:
            raise DataError(f"{folder} has no {part} meshes of {', '.join(empty)}; wanted\n{self.info.layout}")
        return CloudFiles(items, self._reader(self._read_mesh), self.view)

    def _reader(self, read: Callable[[Path], Tensor]) -> CloudReader:
        cache = data_folder() / "cache" / self.family if self.cache else None
        return CloudReader(read, (self.points, self.sample_seed), cache)

    def _read_mesh(self, path: Path) -> Tensor:
        stream = generator(self.sample_seed, zlib.crc32("/".join(path.parts[-3:]).encode()))
        return to_unit_ball(sample_surface(read_off(path), self.points, stream, str(path)))

    def _read_text(self, path: Path) -> Tensor:
        try:
            table = np.loadtxt(path, np.float32, delimiter=",", usecols=(0, 1, 2), max_rows=self.points, ndmin=2)
        except (OSError, ValueError, IndexError) as error:
            raise DataError(f"{path}: no table of x,y,z,…: {error}") from None
        if len(table) < self.points:
            raise DataError(f"{path}: {len(table)} points, but points={self.points} are wanted")
        return to_unit_ball(check_cloud(torch.from_numpy(table), str(path)))

    def fake(self, n: int, root: Path) -> None:
        corners = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
        for i in range(max(n, 4 * self.classes)):
            name = self.info.classes[i % self.classes]
            folder = root / f"ModelNet{self.classes}" / name / ("test" if i // self.classes % 4 == 3 else "train")
            folder.mkdir(parents=True, exist_ok=True)
            mesh = make_mesh(torch.rand(4, 3, generator=generator(i), dtype=torch.float64), corners, name)
            write_off(folder / f"{name}_{i // self.classes:04d}.off", mesh)


def _lines(path: Path) -> list[str]:
    try:
        found = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if not found:
        raise DataError(f"{path}: an empty list")
    return found

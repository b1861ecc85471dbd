"""Sampled meshes: clouds of points drawn again and again from sixteen real meshes that come with CGAL's demos."""

import io
import math
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.rng import generator
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.formats.off import parse_off, read_off, write_off
from spikeformers.data.points.clouds import to_unit_ball, turn
from spikeformers.data.points.mesh import Mesh, make_mesh, sample_surface
from spikeformers.data.points.views import Slices, ViewConfig
from spikeformers.data.samples import Indices, Samples, Splits, as_indices

CLASSES = (
    "anchor_dense",
    "armadillo",
    "boeing",
    "bull",
    "bunny00",
    "camel",
    "couplingdown",
    "dino",
    "elephant",
    "fandisk",
    "femur",
    "hand",
    "knot1",
    "mushroom",
    "nefertiti",
    "triceratops",
)
"""The meshes; each is a class."""

ARCHIVE = "data.tar.gz"
FOLDER = "meshes"
DEBIAN_CGAL = "/usr/share/doc/libcgal-dev"
"""Where Debian's package libcgal-demo puts the archive."""


@DATASETS.register("meshes", source="CGAL 5.5 demo data; Debian package libcgal-demo")
@dataclass(frozen=True, kw_only=True)
class MeshesConfig(DataConfig):
    """Sampled meshes: clouds of points drawn from sixteen meshes, turned about z at random; the class is the mesh."""

    view: ViewConfig = Slices()
    """What a model gets: slices of an occupancy grid as time steps, or the points."""
    points: int = 1024
    """Points of a cloud."""
    per_class: tuple[int, int, int] = (40, 10, 20)
    """Clouds drawn from each mesh for train, validation and test."""
    rotation: float = 180.0
    """Largest turn about z, in degrees to either side."""
    jitter: float = 0.01
    """Deviation of normal noise on every coordinate, after scaling into the unit ball."""
    sample_seed: int = 0
    """Seed of all draws; each part draws from its own stream."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.points < 1 or min(self.per_class) < 1:
            raise ConfigError(f"points={self.points} and per_class={self.per_class} must all be at least 1")
        for name, most in (("rotation", 180.0), ("jitter", 1.0)):
            if not 0 <= getattr(self, name) <= most:
                raise ConfigError(f"{name}={getattr(self, name)} must lie between 0 and {most:g}")

    @property
    def info(self) -> DatasetInfo:
        shape = self.view.shape(self.points, 3)
        train, val, test = (count * len(CLASSES) for count in self.per_class)
        return DatasetInfo(
            title="Sampled meshes",
            classes=CLASSES,
            shape=shape,
            mean=(0.0,) * shape[1],
            std=(1.0,) * shape[1],
            license="CC0 1.0, as CGAL states for files without a notice of their own (copyright file of the package); "
            "the origin of single meshes is not recorded there",
            source="meshes of the CGAL 5.5 demos (Debian package libcgal-demo); points drawn here",
            sizes={"train": train, "validation": val, "test": test},
            split="every part holds fresh draws of points, turns and noise from the same meshes, with disjoint seeds: this "
            "tests whether a known object is recognized when it is sampled again, not whether a class of objects is learned",
            layout=f"{ARCHIVE}, unopened, holding data/meshes/NAME.off\n"
            f"or {FOLDER}/NAME.off (unpacked), for NAME = {', '.join(CLASSES)}",
            hint="On Debian and Ubuntu `apt-get install libcgal-demo` puts it where it is found. Slim containers drop "
            "/usr/share/doc; there `apt-get download libcgal-demo && dpkg-deb -x libcgal-demo_*.deb FOLDER` and point root to "
            "FOLDER/usr/share/doc/libcgal-dev.",
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(f"{FOLDER}|{ARCHIVE}", inside=("data",), system=(DEBIAN_CGAL,))
        unpacked = folder / FOLDER
        meshes = _read_folder(unpacked) if unpacked.is_dir() else _read_archive(folder / ARCHIVE)
        return Splits(*[MeshClouds(meshes, part, self) for part in range(3)])

    def draw(self, mesh: Mesh, label: int, part: int, index: int) -> Tensor:
        """Cloud [N, 3] number `index` of a mesh, for part 0 (train), 1 (validation) or 2 (test)."""
        stream = generator(self.sample_seed, part, label, index)
        points = to_unit_ball(sample_surface(mesh, self.points, stream, CLASSES[label]))
        angle = (2 * float(torch.rand((), generator=stream)) - 1) * math.radians(self.rotation)
        return turn(points, angle) + self.jitter * torch.randn(points.shape, generator=stream)

    def fake(self, n: int, root: Path) -> None:
        (root / FOLDER).mkdir(parents=True, exist_ok=True)
        corners = torch.tensor([[0, 1, 2], [0, 1, 3], [0, 2, 3], [1, 2, 3]])
        for k, name in enumerate(CLASSES):
            vertices = torch.rand(4, 3, generator=generator(n, k), dtype=torch.float64)
            write_off(root / FOLDER / f"{name}.off", make_mesh(vertices, corners, name))


class MeshClouds(Samples):
    """Clouds drawn from meshes when first asked for, and kept."""

    def __init__(self, meshes: Sequence[Mesh], part: int, config: MeshesConfig) -> None:
        self._meshes, self._part, self._config = meshes, part, config
        self._clouds: dict[int, Tensor] = {}

    def __len__(self) -> int:
        return self._config.per_class[self._part] * len(self._meshes)

    def inputs(self, indices: Indices) -> Tensor:
        return self._config.view.view(torch.stack([self._cloud(i) for i in as_indices(indices).tolist()]))

    def targets(self, indices: Indices) -> Tensor:
        return as_indices(indices) % len(self._meshes)

    def name(self, index: int) -> str:
        draw, label = divmod(index, len(self._meshes))
        return f"{('train', 'val', 'test')[self._part]}/{CLASSES[label]}#{draw}"

    def _cloud(self, index: int) -> Tensor:
        if index not in self._clouds:
            draw, label = divmod(index, len(self._meshes))
            self._clouds[index] = self._config.draw(self._meshes[label], label, self._part, draw)
        return self._clouds[index]


def _read_folder(folder: Path) -> list[Mesh]:
    missing = [name for name in CLASSES if not (folder / f"{name}.off").is_file()]
    if missing:
        raise DataError(f"{folder} lacks {', '.join(f'{name}.off' for name in missing)}")
    return [read_off(folder / f"{name}.off") for name in CLASSES]


def _read_archive(archive: Path) -> list[Mesh]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(archive.read_bytes())) as packed:
            for member in packed:
                path = Path(member.name)
                if path.parent.name == FOLDER and path.suffix == ".off" and path.stem in CLASSES and member.isfile():
                    file = packed.extractfile(member)
                    found[path.stem] = file.read() if file is not None else b""
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive}: not a readable tar archive: {error}") from None
    missing = [name for name in CLASSES if name not in found]
    if missing:
        raise DataError(f"{archive} lacks data/{FOLDER}/ of {', '.join(f'{name}.off' for name in missing)}")
    return [parse_off(found[name], f"{archive.name}/{name}.off") for name in CLASSES]

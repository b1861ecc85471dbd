"""LAS and LAZ tiles of airborne laser scans, read with laspy. Source: ASPRS, "LAS Specification 1.4 R15"."""

from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import numpy as np

from spikeformers.core.errors import DataError


@dataclass(frozen=True)
class Scan:
    """Points of a tile.

    Attributes:
        places: [N, 3] in the units of the tile's reference system, float64.
        intensity: [N] strength of the return, 0 … 65535.
        classes: [N] ASPRS class codes.
    """

    places: np.ndarray
    intensity: np.ndarray
    classes: np.ndarray


def read_las(path: Path) -> Scan:
    """All points of a tile.

    Raises:
        DataError: laspy is not installed, or the file is damaged or empty.
    """
    laspy = _laspy()
    # a damaged tile fails inside laspy, its decompressor, or numpy, each with an error of its own
    try:
        tile = laspy.read(path)
        places = np.array(tile.xyz, dtype=np.float64)
        intensity, classes = np.array(tile.intensity), np.array(tile.classification)
    except (laspy.errors.LaspyException, OSError, ValueError, RuntimeError, TypeError, KeyError, IndexError) as error:
        raise DataError(f"{path}: not a readable LAS or LAZ file: {error}") from None
    if not len(places):
        raise DataError(f"{path}: an empty cloud; a tile needs at least one point")
    return Scan(places, intensity.astype(np.float32), classes.astype(np.int64))


def write_las(path: Path, scan: Scan) -> None:
    """Write a tile (LAS 1.2, millimeters); compressed if the name ends in .laz."""
    laspy = _laspy()
    tile = laspy.create(point_format=3, file_version="1.2")
    tile.header.offsets, tile.header.scales = scan.places.min(0), np.full(3, 0.001)
    tile.x, tile.y, tile.z = scan.places.T
    tile.intensity, tile.classification = scan.intensity.astype(np.uint16), scan.classes.astype(np.uint8)
    tile.write(path)


def _laspy() -> ModuleType:
    try:
        import laspy
    except ImportError:
        raise DataError(
            "LAS and LAZ need laspy and lazrs; install the extra: pip install 'spikeformers[points]'"
        ) from None
    module: ModuleType = laspy
    return module

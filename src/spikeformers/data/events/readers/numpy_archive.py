"""NumPy archives: HARDVS (arrays t, x, y, p) and ES-ImageNet (arrays pos and neg, rows of y, x, t).

Source: Event-AHU/HARDVS and lyh983012/ES-imagenet, as SpikingJelly's loaders read them.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, make_events

SUFFIXES = (".npz",)
STREAMED = False
COLUMNS = ("x", "y", "t", "p")
SIGNED = ("pos", "neg")


def read(path: Path) -> Recording:
    """All events of a file.

    Raises:
        DataError: no NumPy archive, damaged, or in neither layout.
    """
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            found = {name: np.asarray(archive[name]) for name in archive.files if name in COLUMNS + SIGNED}
            names = sorted(archive.files)
    except (OSError, ValueError, EOFError, KeyError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} ({path.stat().st_size} bytes): not a readable NumPy archive: {error}") from None
    if all(name in found for name in COLUMNS):
        x, y, t, p = (_whole(found[name].ravel(), name, path) for name in COLUMNS)
    elif all(name in found and found[name].ndim == 2 and found[name].shape[1] == 3 for name in SIGNED):
        rows = np.concatenate([found[name] for name in SIGNED])
        y, x, t = (_whole(column, name, path) for column, name in zip(rows.T, "yxt", strict=True))
        p = np.repeat(np.array([1, 0], np.int8), [len(found[name]) for name in SIGNED])
    else:
        raise DataError(
            f"{path}: holds {names}; events are either x, y, t, p (HARDVS) or pos and neg with 3 columns (ES-ImageNet)"
        )
    return Recording(make_events(x, y, t, p, str(path)))


def _whole(column: np.ndarray, name: str, path: Path) -> np.ndarray:
    """A column as whole numbers.

    Raises:
        DataError: it holds fractions, or values that are not finite.
    """
    if column.dtype.kind in "biu":
        return column
    wrong = np.flatnonzero(~(np.isfinite(column) & (column == np.floor(column)))) if column.dtype.kind == "f" else [0]
    if len(wrong):
        raise DataError(f"{path}: event {wrong[0]} has {name}={column[wrong[0]]}, which is no whole number")
    return column.astype(np.int64)


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The bytes of an archive of these arrays."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w") as member:
                np.lib.format.write_array(member, array, allow_pickle=False)
    return out.getvalue()

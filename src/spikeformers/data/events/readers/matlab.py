"""MATLAB 5 files: ASL-DVS, UCF101-DVS, HMDB-DVS (columns ts, x, y, pol) and ST-MNIST (one matrix `spiketrain`).

ST-MNIST: 100 rows of a 10×10 skin with 1 and -1 where a taxel fired, and a last row of times in seconds.
"""

from pathlib import Path
from typing import Any

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, make_events

SUFFIXES = (".mat",)
STREAMED = False
SKIN = 10


def read(path: Path) -> Recording:
    """All events of a file.

    Raises:
        DataError: no MATLAB 5 file, damaged, or in neither layout.
    """
    import scipy.io

    try:
        found: dict[str, Any] = scipy.io.loadmat(path)
    except Exception as error:  # noqa: BLE001 - scipy lets errors of struct, zlib and its own through
        raise DataError(f"{path} ({path.stat().st_size} bytes): not a readable MATLAB 5 file: {error}") from None
    if "spiketrain" in found:
        return _skin(found["spiketrain"], path)
    if all(name in found for name in ("ts", "x", "y", "pol")):
        x, y, t, p = (np.asarray(found[name]).ravel() for name in ("x", "y", "ts", "pol"))
        return Recording(make_events(x, y, t, p, str(path)))
    names = sorted(name for name in found if not name.startswith("__"))
    raise DataError(
        f"{path}: holds {names}; events are either 'spiketrain' (ST-MNIST) or 'ts', 'x', 'y', 'pol' (ASL-DVS)"
    )


def _skin(matrix: np.ndarray, path: Path) -> Recording:
    if matrix.ndim != 2 or matrix.shape[0] != SKIN * SKIN + 1 or not np.isfinite(matrix).all():
        raise DataError(f"{path}: 'spiketrain' must be a finite matrix of 101 rows; got {matrix.shape}")
    taxel, column = np.nonzero(matrix[:-1])
    t = np.rint(matrix[-1, column] * 1e6).astype(np.int64)
    p = (matrix[taxel, column] > 0).astype(np.int8)
    return Recording(make_events(taxel % SKIN, taxel // SKIN, t, p, str(path)), SKIN, SKIN)

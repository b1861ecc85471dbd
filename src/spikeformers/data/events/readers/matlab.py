"""MATLAB 5 files: ASL-DVS, UCF101-DVS, HMDB-DVS (columns ts, x, y, pol) and ST-MNIST (one matrix `spiketrain`).

ST-MNIST: 100 rows of a 10×10 skin with 1 and -1 where a taxel fired, and a last row of times in seconds.
"""

from pathlib import Path
from typing import Any

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.events.array import Recording, check_within, make_events

SUFFIXES = (".mat",)
STREAMED = False
SKIN = 10
DAVIS240 = (180, 240)


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


def read_upright(path: Path) -> Recording:
    """All events of a recording of the DAVIS240 by PIX2NVS, whose rows are counted from below; here from above.

    Raises:
        DataError: as `read`, or an event lies outside 240×180.
    """
    events = read(path).events
    height, width = DAVIS240
    check_within(events, height, width, str(path))
    events["y"] = height - 1 - events["y"]
    return Recording(events, height, width)


def write(path: Path, events: np.ndarray) -> None:
    """Write events as ASL-DVS has them, rows counted from below."""
    import scipy.io

    y = DAVIS240[0] - 1 - events["y"]
    columns = {"ts": events["t"], "x": events["x"], "y": y, "pol": events["p"]}
    scipy.io.savemat(path, {name: column[:, None] for name, column in columns.items()})


def _skin(matrix: np.ndarray, path: Path) -> Recording:
    if matrix.ndim != 2 or matrix.shape[0] != SKIN * SKIN + 1 or not np.isfinite(matrix).all():
        raise DataError(f"{path}: 'spiketrain' must be a finite matrix of 101 rows; got {matrix.shape}")
    taxel, column = np.nonzero(matrix[:-1])
    t = np.rint(matrix[-1, column] * 1e6).astype(np.int64)
    p = (matrix[taxel, column] > 0).astype(np.int8)
    return Recording(make_events(taxel % SKIN, taxel // SKIN, t, p, str(path)), SKIN, SKIN)

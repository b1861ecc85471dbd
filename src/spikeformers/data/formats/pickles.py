"""Reading published pickles without running what they say: only arrays, numbers, text, lists, tuples and dicts."""

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np

from spikeformers.core.errors import DataError

_RECONSTRUCT = np.empty(0).__reduce__()[0]
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy.core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy._core.multiarray", "_reconstruct"): _RECONSTRUCT,
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Stand-in for the codec that Python 3 writes for bytes in old protocols."""
    return text.encode("latin1")


class _Restricted(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("_codecs", "encode"):
            return _encode
        if (module, name) not in _ALLOWED:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which plain data never needs")
        return _ALLOWED[module, name]


def read_pickle(path: Path) -> Any:
    """What a pickle holds; text of Python 2 comes out as bytes.

    Raises:
        DataError: truncated, damaged, or asking for anything but plain data.
    """
    data = path.read_bytes()
    stream = io.BytesIO(data)
    try:
        return _Restricted(stream, encoding="bytes").load()
    except (
        pickle.UnpicklingError,
        EOFError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        KeyError,
        MemoryError,
    ) as error:
        raise DataError(
            f"{path}: not a pickle of plain data; reading stopped at byte {stream.tell()} of {len(data)}: {error}"
        ) from None

"""Files that appear whole or not at all."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from filelock import FileLock, Timeout

from spikeformers.core.errors import SpikeformersError

_PATIENCE = 10.0
"""Seconds that a folder is waited for: workers of a killed run notice it within some."""


class StorageError(SpikeformersError, OSError):
    """A file of a run could not be written; what it was to replace is untouched."""


class _Watched:
    """A binary file that remembers why a write failed, since torch hides the reason."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._file.flush()


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A binary file that takes the place of `path` when the block ends, and leaves no trace when it fails.

    It is written under another name in the same folder, flushed to the disk and renamed; a crash at any moment leaves
    the former file or the new one.

    Raises:
        StorageError: the disk is full, or the folder cannot be written to.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    watched: _Watched | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(draft, "wb") as file:
            watched = _Watched(file)
            yield cast(BinaryIO, watched)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
        _sync_folder(path.parent)
    except (OSError, RuntimeError) as error:
        cause = watched.error if watched is not None and watched.error is not None else error
        if not isinstance(cause, OSError):
            raise
        former = "the former file is intact" if path.exists() else "no part of it was left"
        raise StorageError(
            f"cannot write {path}: {cause.strerror or cause}; {former}; make room or choose another folder, "
            "then go on with --resume"
        ) from None
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


@contextmanager
def holding(folder: Path) -> Iterator[None]:
    """Keep a run's folder to this process; a killed one lets go of it when the last of its workers has ended.

    Raises:
        StorageError: another process has it, or it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=_PATIENCE).acquire()
    except Timeout:
        raise StorageError(
            f"another process trains in {folder}; wait until it has ended, then go on with --resume, "
            "or choose another folder with --folder"
        ) from None
    except OSError as error:
        raise StorageError(f"cannot write in {folder}: {error.strerror or error}; choose another folder") from None
    try:
        with lock:
            yield
    finally:
        with suppress(OSError):
            (folder / ".lock").unlink(missing_ok=True)
            folder.rmdir()  # only a folder in which nothing was written


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all; NaN and infinities become null, as JSON has no such numbers."""
    write_text(path, json.dumps(finite(value), indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_lines(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write one JSON object a line, whole or not at all."""
    write_text(path, "".join(json.dumps(finite(row), ensure_ascii=False, allow_nan=False) + "\n" for row in rows))


def finite(value: Any) -> Any:
    """The same plain value with None for every number that is not finite."""
    if isinstance(value, dict):
        return {str(key): finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [finite(inner) for inner in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return None
    return value

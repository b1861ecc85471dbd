"""Fetching public files: resumable, checked, whole or not there."""

import hashlib
import os
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from spikeformers.core.errors import DataError

CHUNK = 1 << 20
TIMEOUT = 60.0

Progress = Callable[[str, int, int | None], None]
"""Told the file name, bytes so far, and bytes in all (None where the server does not say)."""


@dataclass(frozen=True)
class RemoteFile:
    """A public file.

    Attributes:
        name: what it is called on disk.
        url: where it is.
        checksum: "md5:…" or "sha256:…" as its publisher states it; empty where none is stated.
        unpack: whether it is a tar or zip archive to be unpacked beside itself.
    """

    name: str
    url: str
    checksum: str = ""
    unpack: bool = False


def fetch(remote: RemoteFile, folder: Path, progress: Progress | None = None) -> Path:
    """Bring a file into `folder`, going on from what an interrupted call left (`NAME.part`).

    Returns:
        Its path. A file that is there already is checked and kept.

    Raises:
        DataError: the server cannot be reached, the disk is full, or the checksum is wrong (the file is removed then).
    """
    path = folder / remote.name
    if not path.exists():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            part = _transfer(remote, folder, progress)
            _check(remote, part)
            os.replace(part, path)
        except urllib.error.HTTPError as error:
            raise DataError(f"{remote.url} cannot be fetched: HTTP status {error.code} ({error.reason})") from None
        except OSError as error:
            raise DataError(f"{remote.url} cannot be fetched into {folder}: {error}; call again to go on") from None
    else:
        _check(remote, path)
    if remote.unpack:
        unpack(path, folder)
    return path


def _transfer(remote: RemoteFile, folder: Path, progress: Progress | None) -> Path:
    part = folder / f"{remote.name}.part"
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(remote.url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and have:  # nothing is left to send
            error.close()
            return part
        raise
    with response:
        resumed = response.status == 206
        length = response.headers.get("Content-Length")
        done = have if resumed else 0
        total = done + int(length) if length is not None else None
        with part.open("ab" if resumed else "wb") as out:
            while chunk := response.read(CHUNK):
                out.write(chunk)
                done += len(chunk)
                if progress is not None:
                    progress(remote.name, done, total)
            out.flush()
            os.fsync(out.fileno())
    if total is not None and done != total:
        raise OSError(f"the connection ended after {done} of {total} bytes")
    return part


def _check(remote: RemoteFile, path: Path) -> None:
    if not remote.checksum:
        return
    kind, _, wanted = remote.checksum.partition(":")
    found = file_digest(path, kind)
    if found != wanted:
        path.unlink()
        raise DataError(
            f"{path.name} from {remote.url} has {kind} {found}, but its publisher states {wanted}; "
            "the file was removed, fetch it again"
        )


def file_digest(path: Path, kind: str) -> str:
    """Checksum of a file as hexadecimal text; `kind` is a name that hashlib knows."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a tar or zip archive; members that point outside `folder` are refused.

    Raises:
        DataError: the archive is damaged or hostile.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as zipped:
                zipped.extractall(folder)
        else:
            with tarfile.open(archive) as tarred:
                tarred.extractall(folder, filter="data")
    except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}; remove it and fetch it again") from None

"""Emitted kernels on disk: each a module named by its hash; Numba keeps its machine code beside it, Triton elsewhere."""

import hashlib
import importlib.util
import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from spikeformers.core.log import get_logger, log_once

_log = get_logger(__name__)


def cache_folder() -> Path:
    """Where kernels are kept: SPIKEFORMERS_CACHE, else the user's cache folder; a private one where neither is writable."""
    chosen = os.environ.get("SPIKEFORMERS_CACHE")
    base = Path(chosen) if chosen else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spikeformers"
    folder = base / "kernels"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if os.access(folder, os.W_OK | os.X_OK):
            return folder
        reason = "not writable"
    except OSError as error:
        reason = str(error.strerror)
    log_once(_log, f"kernels are compiled anew in every process: cache folder {folder} is {reason}")
    return _temporary_folder()


@cache
def _temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="spikeformers-kernels-"))


def load(source: str, function: str, toolchain: str) -> Any:
    """A function of an emitted source.

    Args:
        source: text of a module.
        function: name of what is wanted from it.
        toolchain: what machine code made from the source depends on besides it, such as the compiler's version.
    """
    name = f"spikeformers_kernel_{hashlib.sha256((toolchain + source).encode()).hexdigest()[:24]}"
    path = cache_folder() / f"{name}.py"
    if not path.exists():
        _write_whole(path, source)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return getattr(module, function)


def _write_whole(path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".tmp")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)

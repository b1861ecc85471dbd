"""Running a compiled entry point on several threads at once.

An entry is a C function `void entry(void *arguments)`. All threads call it with the same arguments; inside, they draw
shares of the work from a common counter until none is left, so a thread that the system holds up takes fewer.

The threads are torch's own OpenMP team where torch has one (GNU or LLVM runtime): a second pool beside it would compete
with workers that wait actively for torch's next operator. Elsewhere, and in forked children, they are a few sleeping
threads of ours. Their number follows `torch.get_num_threads()`.
"""

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch

_Entry = ctypes.CFUNCTYPE(None, ctypes.c_void_p)

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0
_forked = False


def run_entry(entry: int, arguments: int, threads: int) -> None:
    """Call the C function at address `entry` on `threads` threads; on return all are done.

    Args:
        entry: address of `void entry(void *)`.
        arguments: the address that it is given.
        threads: how many; one is the caller's.
    """
    if threads > 1 and not _forked:
        team = _openmp_team()
        if team is not None:
            team(entry, arguments, threads, 0)
            return
    call = _Entry(entry)
    futures = [_threads(threads - 1).submit(call, arguments) for _ in range(threads - 1)]
    call(arguments)
    for future in futures:
        future.result()


def thread_count(work: int, grain: int) -> int:
    """How many threads some work is worth, at `grain` or more units each; never more than torch may use."""
    return max(1, min(torch.get_num_threads(), work // grain))


@cache
def _openmp_team() -> Callable[..., Any] | None:
    """`GOMP_parallel(function, argument, threads, flags)` of the OpenMP runtime that torch brought, if any."""
    if "OpenMP" not in torch.__config__.parallel_info().split("ATen parallel backend:")[-1]:
        return None
    try:
        mapped = Path("/proc/self/maps").read_text(encoding="utf-8")
    except OSError:
        return None
    paths = {line.split(maxsplit=5)[-1] for line in mapped.splitlines() if "omp" in line.rpartition("/")[-1]}
    runtimes = [p for p in paths if Path(p).name.startswith(("libgomp", "libomp", "libiomp"))]
    own = [p for p in runtimes if Path(p).parent == Path(torch.__file__).parent / "lib"] or runtimes
    if len(own) != 1:
        return None
    team = getattr(ctypes.CDLL(own[0]), "GOMP_parallel", None)
    if team is not None:
        team.restype, team.argtypes = None, (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
    return team


def _threads(size: int) -> ThreadPoolExecutor:
    global _pool, _size
    with _lock:
        if _pool is None or _size < size:
            if _pool is not None:
                _pool.shutdown(wait=False)
            _pool, _size = ThreadPoolExecutor(size, thread_name_prefix="spikeformers"), size
        return _pool


def _forget() -> None:
    """In a forked child: its parent's threads do not exist there."""
    global _pool, _size, _lock, _forked
    _pool, _size, _lock, _forked = None, 0, threading.Lock(), True


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

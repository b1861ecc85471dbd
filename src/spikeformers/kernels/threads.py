"""A few threads for kernels that release the interpreter lock.

There is no second OpenMP pool beside torch's: these threads sleep when idle. Their number follows
`torch.get_num_threads()`.
"""

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import torch

_lock = threading.Lock()
_pool: ThreadPoolExecutor | None = None
_size = 0


def run_shares(call: Callable[[int], None], shares: int) -> None:
    """Run `call(0) … call(shares - 1)` at once; the calling thread takes one, and all are done on return."""
    if shares <= 1:
        if shares == 1:
            call(0)
        return
    pool = _threads(shares - 1)
    futures: list[Future[None]] = [pool.submit(call, share) for share in range(1, shares)]
    try:
        call(0)
    finally:
        for future in futures:
            future.result()


def share_count(work: int, grain: int) -> int:
    """How many threads some work is worth, at `grain` or more units each; never more than torch may use."""
    return max(1, min(torch.get_num_threads(), work // grain))


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
    global _pool, _size, _lock
    _pool, _size, _lock = None, 0, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)

"""Keeping memory that was once allocated.

glibc returns large blocks to the system when they are freed and fetches them anew, page by page, for the next tensor;
for tensors of some megabytes that costs more than a fused kernel. This is a setting of the whole process, so programs
call it (the command line, benchmarks), a library import never does.
"""

import ctypes
import ctypes.util
import sys

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
_NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Tell glibc to keep freed memory for the next tensor. Returns whether it did; False without glibc."""
    if not sys.platform.startswith("linux"):
        return False
    library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6")
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_MMAP_MAX, 0)) and bool(library.mallopt(_TRIM_THRESHOLD, _NEVER))

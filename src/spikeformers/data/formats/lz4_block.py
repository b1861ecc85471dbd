"""The inner loop of LZ4, compiled. Imported where it is first needed: numba takes a second to load."""

import numpy as np
from numba import njit


@njit(cache=True)
def decompress_block(source: np.ndarray, out: np.ndarray, start: int, limit: int) -> int:
    """Decompress one block into `out` from `start`; returns where writing stopped, or -1 if the block is damaged."""
    at, end, to = 0, len(source), start
    while at < end:
        token = source[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            more = 255
            while more == 255:
                if at >= end:
                    return -1
                more = int(source[at])
                literals += more
                at += 1
        if at + literals > end or to + literals > limit:
            return -1
        for i in range(literals):
            out[to + i] = source[at + i]
        at += literals
        to += literals
        if at == end:
            return to
        if at + 2 > end:
            return -1
        back = int(source[at]) | int(source[at + 1]) << 8
        at += 2
        length = (token & 15) + 4
        if token & 15 == 15:
            more = 255
            while more == 255:
                if at >= end:
                    return -1
                more = int(source[at])
                length += more
                at += 1
        if back == 0 or back > to or to + length > limit:
            return -1
        for i in range(length):
            out[to + i] = out[to - back + i]
        to += length
    return -1

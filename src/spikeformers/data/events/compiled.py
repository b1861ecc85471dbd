"""Inner loops over events, compiled. Imported where they are first needed: numba takes a second to load."""

import math

import numpy as np
from numba import njit


@njit(cache=True)
def decode_es(data: np.ndarray) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]:
    """Event Stream DVS bytes → (x, y, t, p), and where a last event is cut off (-1 if none is)."""
    most = len(data) // 5 + 1
    x, y = np.empty(most, np.int32), np.empty(most, np.int32)
    t, p = np.empty(most, np.int64), np.empty(most, np.int8)
    at, count, now = 0, 0, 0
    while at < len(data):
        step = data[at] >> 1
        if step == 127:
            if data[at] & 1 == 0:
                now += 127
            at += 1
            continue
        if at + 5 > len(data):
            return (x[:count], y[:count], t[:count], p[:count]), at
        now += step
        x[count] = int(data[at + 1]) | int(data[at + 2]) << 8
        y[count] = int(data[at + 3]) | int(data[at + 4]) << 8
        t[count], p[count] = now, data[at] & 1
        count += 1
        at += 5
    return (x[:count], y[:count], t[:count], p[:count]), -1


@njit(cache=True)
def decode_evt3(
    words: np.ndarray, allow_cut: bool
) -> tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], int]:
    """EVT3 words → (x, y, t, p), and the position of a word that cannot be read (-1 if there is none).

    That is one without a known type, or an event before any time is set; with `allow_cut` such events are left out.
    """
    most = 0
    for word in words:
        kind = word >> 12
        if kind == 2:
            most += 1
        elif kind == 4 or kind == 5:
            most += 12
    x, y = np.empty(most, np.int32), np.empty(most, np.int32)
    t, p = np.empty(most, np.int64), np.empty(most, np.int8)
    count, row, base, polarity = 0, 0, 0, 0
    low, high, loops = 0, -1, 0
    for position, word in enumerate(words):
        kind, value = word >> 12, int(word & 0xFFF)
        if high < 0 and (kind == 2 or kind == 4 or kind == 5):
            if not allow_cut:
                return (x[:count], y[:count], t[:count], p[:count]), position
        elif kind == 0:
            row = value & 0x7FF
        elif kind == 2:
            x[count], y[count], p[count] = value & 0x7FF, row, value >> 11
            t[count] = loops << 24 | high << 12 | low
            count += 1
        elif kind == 3:
            base, polarity = value & 0x7FF, value >> 11
        elif kind == 4 or kind == 5:
            width = 12 if kind == 4 else 8
            for bit in range(width):
                if value >> bit & 1:
                    x[count], y[count], p[count] = base + bit, row, polarity
                    t[count] = loops << 24 | high << 12 | low
                    count += 1
            base += width
        elif kind == 6:
            low = value
        elif kind == 8:
            if high >= 0 and value < high - 2048:
                loops += 1
            high = value
        elif kind not in (7, 10, 14, 15):
            return (x[:count], y[:count], t[:count], p[:count]), position
    return (x[:count], y[:count], t[:count], p[:count]), -1


@njit(cache=True)
def count_events(events: np.ndarray, edges: np.ndarray, out: np.ndarray) -> int:
    """Add 1 at out[s, p, y, x] for every event of slice s = edges[s] … edges[s + 1].

    Returns:
        -1, or the position of the first event outside `out`, where counting stops.
    """
    height, width = out.shape[2], out.shape[3]
    for s in range(len(edges) - 1):
        for i in range(edges[s], edges[s + 1]):
            x, y, p = int(events[i].x), int(events[i].y), int(events[i].p)
            if x < 0 or y < 0 or x >= width or y >= height:
                return i
            out[s, p, y, x] += 1
    return -1


@njit(cache=True)
def fill_areas(events: np.ndarray, side: int, columns: int, rows: int, most: int, edges: np.ndarray) -> int:
    """Cut after each event with which any area of side × side pixels has got `most` events since the last cut.

    The first cuts are written to `edges`, as many as it holds. Returns the number of slices.
    """
    counts = np.zeros(rows * columns, np.int64)
    slices = 0
    for i in range(len(events)):
        area = int(events[i].y) // side * columns + int(events[i].x) // side
        counts[area] += 1
        if counts[area] == most and i + 1 < len(events):
            if slices < len(edges):
                edges[slices] = i + 1
            slices += 1
            counts[:] = 0
    return slices + 1


@njit(cache=True)
def spread_events(x: np.ndarray, y: np.ndarray, p: np.ndarray, place: np.ndarray, out: np.ndarray) -> None:
    """Add each event's sign to the two planes next to `place`, linearly."""
    last = len(out) - 1
    for i in range(len(x)):
        sign = 1.0 if p[i] else -1.0
        lower = min(int(place[i]), last)
        share = place[i] - lower
        out[lower, 0, y[i], x[i]] += sign * (1.0 - share)
        if share > 0.0:
            out[lower + 1, 0, y[i], x[i]] += sign * share


@njit(cache=True)
def decay_events(
    x: np.ndarray,
    y: np.ndarray,
    t: np.ndarray,
    p: np.ndarray,
    edges: np.ndarray,
    ends: np.ndarray,
    tau: float,
    out: np.ndarray,
) -> None:
    """out[s, p, y, x] = exp(-(ends[s] - t_last)/tau), with t_last of the latest event there before edges[s + 1]."""
    latest = np.full(out.shape[1:], -np.inf)
    for s in range(len(edges) - 1):
        for i in range(edges[s], edges[s + 1]):
            latest[p[i], y[i], x[i]] = t[i]
        for k in range(out.shape[1]):
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    out[s, k, i, j] = math.exp((latest[k, i, j] - ends[s]) / tau)


@njit(cache=True)
def cross_levels(
    level: np.ndarray, before: np.ndarray, bright: np.ndarray, then: float, now: float, threshold: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Events (x, y, t, p) between two frames of log intensity, pixel by pixel.

    `level`, the log intensity at each pixel's last event, moves on in place by whole thresholds. Times are those of the
    crossings, if intensity moves linearly from `before` at `then` to `bright` at `now`.
    """
    total = 0
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            total += int(abs(bright[i, j] - level[i, j]) / threshold)
    x, y = np.empty(total, np.int16), np.empty(total, np.int16)
    t, p = np.empty(total, np.int64), np.empty(total, np.int8)
    at = 0
    for i in range(level.shape[0]):
        for j in range(level.shape[1]):
            rise = bright[i, j] - level[i, j]
            sign = 1.0 if rise > 0 else -1.0
            count = int(abs(rise) / threshold)
            for k in range(1, count + 1):
                reached = level[i, j] + sign * k * threshold
                share = min(max((reached - before[i, j]) / (bright[i, j] - before[i, j]), 0.0), 1.0)
                x[at], y[at], p[at] = j, i, rise > 0
                t[at] = round(then + share * (now - then))
                at += 1
            level[i, j] += sign * count * threshold
    return x, y, t, p

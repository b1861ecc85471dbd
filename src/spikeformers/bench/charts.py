"""Drawings for the report, as SVG text that takes its colors from the page's style sheet.

Every drawing carries a role and a label, so that a screen reader says what a reader sees.
"""

import base64
import math
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

Points = Sequence[tuple[float, float]]
"""(x, y) in data units, x ascending."""

_WIDTH, _HEIGHT = 380, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 52, 14, 30
_NOTHING = '<p class="note">Nothing was recorded.</p>'
_RASTER_HEIGHT, _RASTER_ROWS, _STEP_WIDTH = 132, 66, 20


def ticks(low: float, high: float, wanted: int = 4) -> list[float]:
    """Round numbers that span [low, high], about `wanted` of them."""
    if not high > low:
        return [low]
    raw = (high - low) / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class _Frame:
    """The plane of a drawing: what is at its edges, in data units."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    def px(self, x: float) -> float:
        return _LEFT + (x - self.x_low) / (self.x_high - self.x_low) * (_WIDTH - _LEFT - _RIGHT)

    def py(self, y: float) -> float:
        return _TOP + (self.y_high - y) / (self.y_high - self.y_low) * (_HEIGHT - _TOP - _BOTTOM)

    def path(self, points: Points) -> str:
        return "M" + "L".join(f"{self.px(x):.1f} {self.py(y):.1f}" for x, y in points)

    def begin(self, title: str, x_label: str, x_ticks: Sequence[float], percent: bool) -> list[str]:
        """The drawing's first parts: grid, numbers on both axes, and what x is."""
        parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
        for y in ticks(self.y_low, self.y_high):
            text = f"{100 * y:g} %" if percent else f"{y:g}"
            place = self.py(y)
            parts.append(f'<path class="grid" d="M{_LEFT} {place:.1f}H{_WIDTH - _RIGHT}"/>')
            parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{place + 3.5:.1f}" text-anchor="end">{text}</text>')
        for x in x_ticks:
            place = self.px(x)
            parts.append(f'<text class="tick" x="{place:.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{x:g}</text>')
        parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT + 8}" y="{_HEIGHT - 12}">{escape(x_label)}</text>')
        return parts


def line_chart(
    series: Mapping[str, Points],
    *,
    title: str,
    percent: bool = False,
    whole: bool = False,
    mark: float | None = None,
    mark_label: str = "",
) -> str:
    """Curves over epochs with their names at their ends.

    Args:
        series: name → points; the name is also the class of the curve (`curve-train`, `curve-val`).
        title: what is shown, for screen readers.
        percent: whether y is a fraction to be labeled in percent.
        whole: whether the axis ends at 1, else it begins at 0.
        mark: an x to point out with a vertical line.
        mark_label: what the line means.
    """
    shown = {name: [p for p in points if math.isfinite(p[1])] for name, points in series.items()}
    shown = {name: points for name, points in shown.items() if points}
    if not shown:
        return _NOTHING
    xs = [x for points in shown.values() for x, _ in points]
    ys = [y for points in shown.values() for _, y in points]
    frame = _Frame(min(xs), max(max(xs), min(xs) + 1e-9), *_range(min(ys), max(ys), whole))
    round_xs = {float(round(x)) for x in ticks(frame.x_low, frame.x_high)} & {x for x in xs if x == round(x)}
    parts = frame.begin(title, "epoch", sorted(round_xs or {frame.x_high}), percent)
    if mark is not None and frame.x_low <= mark <= frame.x_high:
        parts += _mark(frame, mark, mark_label, low=whole)
    ends = _apart([frame.py(points[-1][1]) for points in shown.values()], 13)
    for (name, points), end in zip(shown.items(), ends, strict=True):
        parts.append(f'<path class="curve curve-{escape(name)}" d="{frame.path(points)}"/>')
        if len(points) == 1:
            x, y = frame.px(points[0][0]), frame.py(points[0][1])
            parts.append(f'<circle class="dot dot-{escape(name)}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>')
        parts.append(
            f'<text class="name name-{escape(name)}" x="{_WIDTH - _RIGHT + 8}" y="{end + 4:.1f}">{escape(name)}</text>'
        )
    return "".join([*parts, "</svg>"])


def _mark(frame: _Frame, x: float, label: str, *, low: bool) -> list[str]:
    """A vertical line with its name at its foot or its head."""
    side, shift = ("end", -4) if frame.px(x) > _WIDTH / 2 else ("start", 4)
    bottom = _HEIGHT - _BOTTOM
    y = bottom - 8 if low else _TOP + 8
    return [
        f'<path class="mark" d="M{frame.px(x):.1f} {_TOP}V{bottom}"/>',
        f'<text class="tick" x="{frame.px(x) + shift:.1f}" y="{y}" text-anchor="{side}">{escape(label)}</text>',
    ]


def step_chart(series: Sequence[Points], *, title: str, level: float | None = None, level_label: str = "") -> str:
    """Curves of rates over steps T, from 0 to 1; what lies above 1 is drawn at 1.

    Args:
        series: points of each curve; its number is its class (`level-0`, `level-1`, …).
        title: what is shown, for screen readers.
        level: a rate to point out with a horizontal line.
        level_label: what the line means.
    """
    xs = sorted({x for points in series for x, _ in points})
    if not xs:
        return _NOTHING
    frame = _Frame(xs[0], max(xs[-1], xs[0] + 1), 0.0, 1.0)
    parts = frame.begin(title, "steps T", xs, percent=True)
    if level is not None and 0.0 <= level <= 1.0:
        y = frame.py(level)
        parts.append(f'<path class="mark" d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(
            f'<text class="tick" x="{_WIDTH - _RIGHT - 2}" y="{y - 4:.1f}" text-anchor="end">{escape(level_label)}</text>'
        )
    for number, points in enumerate(series):
        held = [(x, min(y, 1.0)) for x, y in points]
        parts.append(f'<path class="curve level-{number}" d="{frame.path(held)}"/>')
        parts += [
            f'<circle class="dot level-{number}" cx="{frame.px(x):.1f}" cy="{frame.py(y):.1f}" r="2.6"/>'
            for x, y in held
        ]
    return "".join([*parts, "</svg>"])


def _range(low: float, high: float, whole: bool) -> tuple[float, float]:
    """Axis limits on round numbers."""
    if whole:
        return min(math.floor(low * 10) / 10, 0.9), 1.0
    top = ticks(0.0, high)[-1]
    step = ticks(0.0, high)[1] if len(ticks(0.0, high)) > 1 else max(high, 1e-9)
    return min(0.0, low), top if top >= high else top + step


def _apart(positions: Sequence[float], gap: float) -> list[float]:
    """Move labels along y until no two are closer than `gap`."""
    order = sorted(range(len(positions)), key=lambda i: positions[i])
    placed = list(positions)
    for before, here in pairwise(order):
        placed[here] = max(placed[here], placed[before] + gap)
    over = max(placed) - (_HEIGHT - _BOTTOM)
    return [p - over for p in placed] if over > 0 else placed


def raster(fired: Sequence[Sequence[int]], size: int, *, title: str) -> str:
    """Spikes of one layer: a column per step, a row per neuron (or per group of neighbors, darker where more fired).

    Args:
        fired: per step, the indices of the neurons that fired.
        size: number of neurons.
        title: what is shown, for screen readers.
    """
    rows = max(1, min(size, _RASTER_ROWS))
    steps = len(fired)
    width, tall = steps * _STEP_WIDTH, _RASTER_HEIGHT / rows
    shades: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    for t, indices in enumerate(fired):
        counts: dict[int, int] = {}
        for index in indices:
            counts[index * rows // size] = counts.get(index * rows // size, 0) + 1
        for row, number in sorted(counts.items()):
            share = number / max(1.0, size / rows)
            shades[min(4, max(1, math.ceil(4 * share)))].append(
                f"M{t * _STEP_WIDTH + 2} {(row + 0.5) * tall:.1f}h{_STEP_WIDTH - 4}"
            )
    parts = [
        f'<svg class="raster" width="{width}" viewBox="0 0 {width} {_RASTER_HEIGHT + 16}" role="img" aria-label="{escape(title)}">',
        f'<rect class="ground" width="{width}" height="{_RASTER_HEIGHT}" rx="2"/>',
    ]
    for shade, strokes in shades.items():
        if strokes:
            path = "".join(strokes)
            parts.append(
                f'<path class="spike" stroke-opacity="{0.25 * shade:g}" stroke-width="{max(tall * 0.78, 0.8):.2f}" d="{path}"/>'
            )
    for t in range(steps):
        if steps <= 8 or (t + 1) % 5 == 0:
            x = (t + 0.5) * _STEP_WIDTH
            parts.append(f'<text class="tick" x="{x:g}" y="{_RASTER_HEIGHT + 13}" text-anchor="middle">{t + 1}</text>')
    return "".join([*parts, "</svg>"])


def picture(image: Sequence, *, title: str) -> str:
    """An image of values in [0, 1], [H, W] or [C, H, W] with one or three channels, as square pixels."""
    planes = image if image and isinstance(image[0][0], Sequence) else [image]
    height, width = len(planes[0]), len(planes[0][0])
    cells = []
    for y in range(height):
        for x in range(width):
            values = [round(255 * min(1.0, max(0.0, plane[y][x]))) for plane in planes]
            red, green, blue = values if len(values) == 3 else [values[0]] * 3
            cells.append(f'<path fill="#{red:02x}{green:02x}{blue:02x}" d="M{x} {y}h1v1h-1z"/>')
    return (
        f'<svg class="picture" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(title)}" '
        f'shape-rendering="crispEdges">{"".join(cells)}</svg>'
    )


def bitmap(image: Sequence, *, title: str) -> str:
    """An image of bytes [C, H, W] with one or three channels, as a picture file inside the page."""
    height, width, channels = len(image[0]), len(image[0][0]), len(image)
    lines = b"".join(
        b"\0" + bytes(image[c][y][x] for x in range(width) for c in range(channels)) for y in range(height)
    )
    header = struct.pack(">IIBBBBB", width, height, 8, 2 if channels == 3 else 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(lines, 9)), (b"IEND", b""))
    data = b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in chunks
    )
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img class="bitmap" alt="{escape(title)}" src="data:image/png;base64,{encoded}">'


def heat(confusion: Sequence[Sequence[int]], *, title: str) -> str:
    """A confusion matrix too large for numbers: rows are true classes, darker is more."""
    size = len(confusion)
    parts = [
        f'<svg class="heat" viewBox="0 0 {size} {size}" role="img" aria-label="{escape(title)}" shape-rendering="crispEdges">'
    ]
    parts.append(f'<rect class="ground" width="{size}" height="{size}"/>')
    for y, row in enumerate(confusion):
        total = sum(row) or 1
        for x, number in enumerate(row):
            if number:
                kind = "right" if x == y else "wrong"
                opacity = min(1.0, 0.15 + 0.85 * (number / total) ** 0.5)
                parts.append(f'<path class="{kind}" fill-opacity="{opacity:.2f}" d="M{x} {y}h1v1h-1z"/>')
    return "".join([*parts, "</svg>"])

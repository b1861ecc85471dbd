"""Drawings for the report, as SVG text that takes its colors from the page's style sheet.

Every drawing carries a role and a label, so that a screen reader says what a reader sees.
"""

import math
from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise

Points = Sequence[tuple[float, float]]
"""(x, y) in data units, x ascending."""

_WIDTH, _HEIGHT = 380, 236
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 52, 14, 30
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


def line_chart(
    series: Mapping[str, Points],
    *,
    title: str,
    percent: bool = False,
    whole: bool = False,
    mark: float | None = None,
    mark_label: str = "",
) -> str:
    """Curves with their names at their ends.

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
        return '<p class="note">Nothing was recorded.</p>'
    xs = [x for points in shown.values() for x, _ in points]
    ys = [y for points in shown.values() for _, y in points]
    x_low, x_high = min(xs), max(max(xs), min(xs) + 1e-9)
    y_low, y_high = _range(min(ys), max(ys), whole)

    def px(x: float) -> float:
        return _LEFT + (x - x_low) / (x_high - x_low) * (_WIDTH - _LEFT - _RIGHT)

    def py(y: float) -> float:
        return _TOP + (y_high - y) / (y_high - y_low) * (_HEIGHT - _TOP - _BOTTOM)

    parts = [f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{escape(title)}">']
    for y in ticks(y_low, y_high):
        text = f"{100 * y:g} %" if percent else f"{y:g}"
        parts.append(f'<path class="grid" d="M{_LEFT} {py(y):.1f}H{_WIDTH - _RIGHT}"/>')
        parts.append(f'<text class="tick" x="{_LEFT - 6}" y="{py(y) + 3.5:.1f}" text-anchor="end">{text}</text>')
    for x in sorted({float(round(x)) for x in ticks(x_low, x_high)} & {x for x in xs if x == round(x)} or {x_high}):
        parts.append(f'<text class="tick" x="{px(x):.1f}" y="{_HEIGHT - 12}" text-anchor="middle">{x:g}</text>')
    parts.append(f'<text class="tick" x="{_WIDTH - _RIGHT + 8}" y="{_HEIGHT - 12}">epoch</text>')
    if mark is not None and x_low <= mark <= x_high:
        side, shift = ("end", -4) if px(mark) > _WIDTH / 2 else ("start", 4)
        low = _HEIGHT - _BOTTOM
        label_y = low - 8 if whole else _TOP + 8
        parts.append(f'<path class="mark" d="M{px(mark):.1f} {_TOP}V{low}"/>')
        parts.append(
            f'<text class="tick" x="{px(mark) + shift:.1f}" y="{label_y}" text-anchor="{side}">{escape(mark_label)}</text>'
        )
    ends = _apart([py(points[-1][1]) for points in shown.values()], 13)
    for (name, points), end in zip(shown.items(), ends, strict=True):
        path = "M" + "L".join(f"{px(x):.1f} {py(y):.1f}" for x, y in points)
        parts.append(f'<path class="curve curve-{escape(name)}" d="{path}"/>')
        if len(points) == 1:
            parts.append(
                f'<circle class="dot dot-{escape(name)}" cx="{px(points[0][0]):.1f}" cy="{py(points[0][1]):.1f}" r="3"/>'
            )
        parts.append(
            f'<text class="name name-{escape(name)}" x="{_WIDTH - _RIGHT + 8}" y="{end + 4:.1f}">{escape(name)}</text>'
        )
    parts.append("</svg>")
    return "".join(parts)


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

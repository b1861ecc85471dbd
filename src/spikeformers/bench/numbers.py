"""Numbers in a reader's units; None and what is not finite are shown as unknown."""

import math
import statistics
from collections.abc import Sequence

UNKNOWN = "–"
_LARGE = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_JOULES = ((1.0, "J"), (1e-3, "mJ"), (1e-6, "µJ"), (1e-9, "nJ"), (1e-12, "pJ"))


def percent(fraction: float | None, digits: int = 1) -> str:
    """0.9889 → `98.9 %`."""
    return f"{100 * fraction:.{digits}f} %" if fraction is not None and math.isfinite(fraction) else UNKNOWN


def spread(fractions: Sequence[float], sign: str = "") -> str:
    """[0.97, 0.99] → `98.0% ± 1.4%`: mean and, of several, sample standard deviation."""
    mean = f"{statistics.mean(fractions):{sign}.1%}"
    return f"{mean} ± {statistics.stdev(fractions):.1%}" if len(fractions) > 1 else mean


def count(value: float | None) -> str:
    """1234567 → `1.23 M`; whole numbers below ten thousand stay as they are."""
    if value is None or not math.isfinite(value):
        return UNKNOWN
    if abs(value) < 10_000 and value == int(value):
        return f"{int(value):,}"
    for size, letter in _LARGE:
        if abs(value) >= size:
            return f"{_three(value / size)} {letter}"
    return _three(value)


def energy(millijoules: float | None) -> str:
    """0.0412 → `41.2 µJ`."""
    if millijoules is None or not math.isfinite(millijoules):
        return UNKNOWN
    joules = millijoules / 1e3
    if joules == 0:
        return "0 J"
    for size, unit in _JOULES:
        if abs(joules) >= size:
            return f"{_three(joules / size)} {unit}"
    return f"{joules:.1e} J"


def duration(seconds: float | None) -> str:
    """83.2 → `1 min 23 s`."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return UNKNOWN
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def memory(mebibytes: float | None) -> str:
    """1536 → `1.5 GiB`."""
    if mebibytes is None or not math.isfinite(mebibytes):
        return UNKNOWN
    return f"{mebibytes / 1024:.1f} GiB" if mebibytes >= 1024 else f"{mebibytes:.0f} MiB"


def ratio(spiking: float | None, twin: float | None) -> str:
    """How the energy of the spiking model compares with its twin's, in words: `7.3× less than` (its twin)."""
    if not spiking or not twin or not math.isfinite(spiking / twin):
        return "not comparable with"
    factor = twin / spiking
    if 0.98 < factor < 1.02:
        return "the same as"
    times = factor if factor > 1 else 1 / factor
    return f"{times:.{0 if times >= 10 else 1}f}× {'less' if factor > 1 else 'more'} than"


def _three(value: float | None) -> str:
    """Three significant digits, never in exponent form."""
    size = abs(value)
    return (
        f"{value:.0f}"
        if size >= 100
        else f"{value:.1f}"
        if size >= 10
        else f"{value:.2f}"
        if size >= 0.1
        else f"{value:.3g}"
    )

"""The section and the picture of the neurons benchmark, from its recorded result."""

from pathlib import Path
from typing import Any

PICTURE = Path(__file__).parents[1] / "docs" / "images" / "neurons.png"
_FUSED, _REFERENCE, _PEER, _INK = "#0072b2", "#8a929c", "#d55e00", "#1c2127"
BACKWARD = "forward+backward"
BAR = 2.0
"""How many times the floor forward and backward may take."""


def section(result: dict[str, Any], machine: str) -> str:
    """All neurons beside their references and peers, first calls, and the picture."""
    steps, count = result["shape"]
    lines = [
        "## All neurons",
        f"Input [{steps}, {count}] {result['dtype']}, median of {result['rounds']} rounds in turn. *Floor*: the time in which the bytes "
        "that must move (8 per neuron and step forward, 20 with backward) are copied in the same run. *Kept*: bytes for backward "
        "per neuron and step; 4 are the input itself. A neuron whose kernel differs from the reference gets no "
        "time. `python benchmarks/neurons.py`",
        "",
        "![time over the floor by neuron, and time per value against T and N](images/neurons.png)",
        "",
        "| neuron | fused forward × floor | with backward × floor | kept | reference, with backward × floor | kept | "
        "fastest peer, with backward × floor | kept | speed over it |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    lines += [_row(result, name) for name in _names(result)]
    lines += [f"| {name} | differs from the reference: not timed | | | | | | | |" for name in result["red"]]
    lines += _arithmetic(result)
    lines += [
        "",
        "Constants are arguments of a kernel: a neuron with another one finds it compiled.",
        "",
        "| first call, forward and backward | empty cache s | kernels on disk s | with another constant s | next call s |",
        "|---|---:|---:|---:|---:|",
    ]
    for row in result["cold"]:
        empty, filled, again = row["empty_cache_s"], row["filled_cache_s"], row["next_call_s"]
        other = ", ".join(f"{name}={value:g}" for name, value in row.get("other_constant", {}).items())
        changed = f"{row['other_constant_s']:.2f} ({other})" if other else "–"
        lines.append(f"| {row['neuron']} | {empty:.2f} | {filled:.2f} | {changed} | {again:.4f} |")
    return "\n".join([*lines, "", machine, ""])


def _arithmetic(result: dict[str, Any]) -> list[str]:
    """The neurons that miss twice the floor, beside what their functions alone would take."""
    cached = {row["neuron"]: row for row in result["in_cache"] if row["kind"] == BACKWARD}
    slow = [n for n in cached if _of(result, n, BACKWARD)[f"{n}, fused"]["over_floor"] > BAR]
    if not slow:
        return []
    lines = [
        "",
        f"Above {BAR:g} × the floor with backward are the following. *Functions alone*: what torch's own vector functions take, in the "
        "same run and with all arrays in cache, for nothing but the exponentials, sigmoids and the like of the equations: once "
        "forward, once more for the states in backward, since nothing but the input is kept. Where that alone is above "
        f"{BAR:g}, arithmetic decides, not memory.",
        "",
        "| neuron | with backward × floor | functions alone × floor |",
        "|---|---:|---:|",
    ]
    for name in slow:
        row, floors = cached[name], _of(result, name, BACKWARD)[f"{name}, fused"]["over_floor"]
        lines.append(f"| `{name}` | {floors:.2f} | {floors * row['functions_ns'] * row['share'] / row['ns']:.2f} |")
    return lines


def _names(result: dict[str, Any]) -> list[str]:
    return list(dict.fromkeys(row["neuron"] for row in result["rows"] if row["neuron"]))


def _of(result: dict[str, Any], name: str, kind: str) -> dict[str, dict[str, Any]]:
    return {row["case"]: row for row in result["rows"] if row["neuron"] == name and row["kind"] == kind}


def _fastest_peer(cases: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    others = [row for case, row in cases.items() if not case.endswith((", fused", ", reference"))]
    return min(others, key=lambda row: float(row["median_ms"]), default=None)


def _row(result: dict[str, Any], name: str) -> str:
    forward, both = _of(result, name, "forward"), _of(result, name, BACKWARD)
    fused, reference, peer = both[f"{name}, fused"], both[f"{name}, reference"], _fastest_peer(both)
    cells = [f"`{name}`", f"{forward[f'{name}, fused']['over_floor']:.2f}"]
    for row in (fused, reference):
        cells += [f"{row['over_floor']:.2f}", f"{row['kept_bytes']:.0f}"]
    if peer is None:
        cells += ["–", "–", "–"]
    else:
        ratio = peer["median_ms"] / fused["median_ms"]
        cells += [f"{peer['over_floor']:.1f} ({peer['case']})", f"{peer['kept_bytes']:.0f}", f"{ratio:.1f}"]
    return f"| {' | '.join(cells)} |"


def draw(result: dict[str, Any]) -> None:
    """Write the picture: the same result gives the same file."""
    import matplotlib

    style = {"font.family": "DejaVu Sans", "font.size": 8, "axes.spines.top": False, "axes.spines.right": False}
    with matplotlib.rc_context({**style, "svg.hashsalt": "neurons"}):
        from matplotlib.figure import Figure

        names = _names(result)
        figure = Figure(figsize=(10, 2.2 + 0.17 * len(names)), dpi=110, layout="constrained")
        grid = figure.add_gridspec(2, 2, width_ratios=(1.3, 1))
        _draw_floors(figure.add_subplot(grid[:, 0]), result, names)
        _draw_sweep(figure.add_subplot(grid[0, 1]), result["by_steps"], "steps", "T, at a constant number of values")
        _draw_sweep(figure.add_subplot(grid[1, 1]), result["by_count"], "count", "neurons N, at T = 4")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(PICTURE, metadata={"Software": None})


def _draw_floors(axes: Any, result: dict[str, Any], names: list[str]) -> None:
    for place, name in enumerate(reversed(names)):
        both = _of(result, name, BACKWARD)
        peer = _fastest_peer(both)
        points = [(both[f"{name}, fused"], _FUSED), (both[f"{name}, reference"], _REFERENCE)]
        points += [(peer, _PEER)] if peer is not None else []
        for row, color in points:
            axes.plot(row["over_floor"], place, "o", color=color, markersize=4)
    for label, color in (("fused", _FUSED), ("reference", _REFERENCE), ("fastest peer", _PEER)):
        axes.plot([], [], "o", color=color, markersize=4, label=label)
    axes.axvline(1.0, color=_INK, linewidth=0.8)
    axes.set(xscale="log", yticks=range(len(names)), yticklabels=list(reversed(names)))
    axes.set(xlabel="forward and backward, × time to copy the bytes that must move", ylim=(-0.7, len(names) - 0.3))
    axes.grid(axis="x", linewidth=0.3)
    axes.legend(frameon=False, loc="lower right")


def _draw_sweep(axes: Any, rows: list[dict[str, Any]], over: str, label: str) -> None:
    lines = list(dict.fromkeys(row["case"] for row in rows if row["kind"] == BACKWARD))
    for case in lines:
        points = [(row[over], row["ns"]) for row in rows if row["case"] == case and row["kind"] == BACKWARD]
        color = _FUSED if case.endswith(", fused") else _REFERENCE if case.endswith(", reference") else _PEER
        dashed = "--" if "izhikevich" in case.lower() else "-"
        axes.plot(*zip(*points, strict=True), dashed, marker=".", color=color, linewidth=1, label=case)
    axes.set(xscale="log", yscale="log", xlabel=label, ylabel="ns a neuron and step")
    axes.grid(linewidth=0.3)
    axes.legend(frameon=False, fontsize=6)

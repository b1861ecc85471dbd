"""One picture of a run, for a README or a talk: learning curves, spikes of one sample, energy by layer."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spikeformers.bench import goals, numbers
from spikeformers.bench.record import RunError, RunRecord, read_run

_SPIKING, _TWIN, _TRAIN, _INK, _SOFT, _GROUND = "#0072b2", "#d55e00", "#8a929c", "#1c2127", "#5b6470", "#f3f1ed"
_FORMATS = (".png", ".svg", ".pdf")
_BOTTOM, _HEIGHT = 0.14, 0.67
"""Where panels begin and how tall they are, as shares of the picture."""
_STRIPS = 7
"""Layers that the raster has room for, first and last among them."""
_LAYERS = 8
"""Rows that the energy panel has room for."""


def write_figure(folder: str | Path, path: str | Path) -> Path:
    """Draw a run as one picture; the same files give the same picture.

    Args:
        folder: folder of a finished run.
        path: where to; its ending chooses png, svg or pdf.

    Raises:
        RunError: a file of the run is missing or broken, or the picture cannot be written.
    """
    import matplotlib

    path = Path(path)
    if path.suffix.lower() not in _FORMATS:
        raise RunError(f"cannot draw {path.name!r}: its name must end in {', '.join(_FORMATS)}")
    record = read_run(Path(folder))
    style = {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "axes.edgecolor": _SOFT,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "text.color": _INK,
        "axes.labelcolor": _SOFT,
        "xtick.color": _SOFT,
        "ytick.color": _SOFT,
        "svg.hashsalt": "spikeformers",
    }
    with matplotlib.rc_context(style):
        figure = _draw(record)
        metadata = {".png": {"Software": None}, ".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
        try:
            figure.savefig(path, dpi=160, facecolor="white", metadata=metadata[path.suffix.lower()])
        except OSError as error:
            raise RunError(f"cannot write {path}: {error.strerror}") from None
    return path


def _draw(record: RunRecord) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.7))
    FigureCanvasAgg(figure)
    results, goal = record.results, goals.goal_of(record.results)
    figure.suptitle(
        f"{record.config.get('name', record.folder.name)}: {numbers.percent(results[f'test/{goal}'])} test {goals.title(goal)}, "
        f"{numbers.energy(results['energy/snn_mj'])} per sample, "
        f"{numbers.ratio(results['energy/snn_mj'], results['energy/ann_mj'])} its ANN twin",
        x=0.012,
        y=0.97,
        ha="left",
        fontsize=12.5,
        fontweight="bold",
    )
    _curves(figure, record)
    _raster(figure, record.analysis["raster"], record.analysis.get("classes"))
    _energy(figure, record.energy)
    return figure


def _title(figure: Any, x: float, text: str) -> None:
    figure.text(x, 0.845, text, fontsize=10, fontweight="bold")


def _curves(figure: Any, record: RunRecord) -> None:
    goal = goals.goal_of(record.results)
    axes = figure.add_axes((0.05, _BOTTOM, 0.2, _HEIGHT))
    _title(figure, 0.05, "Learning")
    for split, color, dashes in (("train", _TRAIN, (4, 2)), ("val", _SPIKING, (None, None))):
        rows = [row for row in record.metrics if row.get("split") == split and goal in row]
        points = {row["epoch"] + 1: 100 * row[goal] for row in rows}
        if points:
            axes.plot(list(points), list(points.values()), color=color, dashes=dashes, lw=1.8, label=split)
    axes.set_xlabel("epoch")
    axes.set_ylabel(f"{goals.title(goal)}, %")
    axes.set_ylim(top=101)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="y", color="#e4e1dc", lw=0.7)
    axes.set_axisbelow(True)
    if axes.get_lines():
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, frameon=False, borderpad=0, handlelength=1.2
        )


def _raster(figure: Any, shown: dict[str, Any], classes: Sequence[str] | None) -> None:
    every = list(shown["layers"].items())
    count = min(len(every), _STRIPS)
    layers = dict(every[i * (len(every) - 1) // max(1, count - 1)] for i in range(count))
    picture = figure.add_axes((0.285, _BOTTOM, 0.1, _HEIGHT))
    _title(figure, 0.285, "One sample")
    _title(figure, 0.4, f"Its spikes in {count} of {len(every)} layers")
    step_width = 0.235 / max(1, len(layers))
    strips = [figure.add_axes((0.4 + i * step_width, _BOTTOM, 0.86 * step_width, _HEIGHT)) for i in range(len(layers))]
    image = shown["image"]
    if isinstance(image[0][0], list):
        image = [[[plane[y][x] for plane in image] for x in range(len(image[0][0]))] for y in range(len(image[0]))]
        image = [[cell * 3 if len(cell) == 1 else cell for cell in row] for row in image]
    picture.imshow(image, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    picture.set_axis_off()
    picture.set_anchor("N")
    if classes is not None:
        said = f"shows {classes[shown['target']]}, read as {classes[shown['prediction']]}"
        picture.text(0.0, -0.06, said, transform=picture.transAxes, va="top", fontsize=8.5)
    for number, (axes, (path, fired)) in enumerate(zip(strips, layers.items(), strict=True), start=1):
        size = shown["sizes"][path]
        for step, indices in enumerate(fired):
            axes.hlines(indices, step + 0.1, step + 0.9, color=_SPIKING, lw=max(0.6, 170.0 / size))
        axes.set_xlim(0, len(fired))
        axes.set_ylim(size, 0)
        axes.set_facecolor(_GROUND)
        axes.set_xticks([])
        axes.set_yticks([])
        axes.spines[:].set_visible(False)
        axes.set_xlabel(str(number), fontsize=8)


def _energy(figure: Any, energy: dict[str, Any]) -> None:
    axes = figure.add_axes((0.785, _BOTTOM, 0.2, _HEIGHT))
    _title(figure, 0.665, "Energy by layer")
    rows = [(row["path"], row["snn_mj"], row["ann_mj"] or 0.0) for row in energy["layers"]]
    keep = sorted(rows, key=lambda row: -max(row[1:]))[:_LAYERS]
    shown = [row for row in rows if row in keep]
    rest = [row for row in rows if row not in keep]
    if rest:
        shown.append((f"{len(rest)} more", sum(r[1] for r in rest), sum(r[2] for r in rest)))
    places = range(len(shown))
    axes.barh([p - 0.19 for p in places], [1e3 * row[1] for row in shown], 0.36, color=_SPIKING, label="spiking")
    axes.barh([p + 0.19 for p in places], [1e3 * row[2] for row in shown], 0.36, color=_TWIN, label="ANN twin")
    axes.set_yticks(list(places), [row[0] for row in shown], fontsize=7.5)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("µJ per sample")
    axes.grid(axis="x", color="#e4e1dc", lw=0.7)
    axes.set_axisbelow(True)
    axes.legend(loc="lower right", bbox_to_anchor=(1.0, 0.98), ncols=2, frameon=False, borderpad=0, handlelength=1.2)

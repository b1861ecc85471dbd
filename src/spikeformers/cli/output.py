"""What the verbs print: tables that are drawn on a terminal and plain when piped."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_json(value: Any) -> None:
    """JSON on standard output."""
    print(json.dumps(value, indent=2, ensure_ascii=False))


def complain(message: str) -> None:
    """A message on standard error, red on a terminal."""
    red, plain = ("\x1b[31m", "\x1b[0m") if sys.stderr.isatty() and not os.environ.get("NO_COLOR") else ("", "")
    print(f"{red}spikeformers: {message}{plain}", file=sys.stderr)


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str = "", right: Sequence[str] = ()
) -> None:
    """Rows under column names.

    Args:
        columns: column names.
        rows: cells as text.
        title: shown above, on a terminal only.
        right: names of the columns that hold numbers.
    """
    if sys.stdout.isatty():
        from rich import box
        from rich.console import Console
        from rich.table import Table

        table = Table(
            title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False
        )
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in rows:
            table.add_row(*(cell.replace("[", "\\[") for cell in row))
        Console(highlight=False).print(table)
        return
    widths = [max(len(cells[i]) for cells in [columns, *rows]) for i in range(len(columns))]
    for cells in [columns, *rows]:
        placed = [c.rjust(w) if n in right else c.ljust(w) for c, w, n in zip(cells, widths, columns, strict=True)]
        print("  ".join(placed).rstrip())


def print_results(results: Mapping[str, Any]) -> None:
    """The numbers that a run ends with, one a line."""
    print_table(("result", "value"), result_rows(results), right=("value",))


def result_rows(results: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What of a flat mapping of results a person wants to read, in a reader's units; what is missing is left out."""
    from spikeformers.bench import goals, numbers

    goal = goals.goal_of(results)
    shown = {
        f"test/{goal}": (f"test {goals.title(goal)}", lambda v: numbers.percent(v, 2)),
        f"val/{goal}": (f"validation {goals.title(goal)}", lambda v: numbers.percent(v, 2)),
        "test/loss": ("test loss", lambda v: f"{v:.4f}"),
        "val/loss": ("validation loss", lambda v: f"{v:.4f}"),
        "params": ("parameters", lambda v: f"{v:,}"),
        "firing_rate": ("mean firing rate", lambda v: numbers.percent(v, 2)),
        "synops": ("synaptic operations per sample", numbers.count),
        "energy/snn_mj": ("energy per sample, spiking model", numbers.energy),
        "energy/ann_mj": ("energy per sample, ANN twin", numbers.energy),
        "binary_layers": ("layers on binary spikes", str),
        "virtual_steps": ("virtual steps, at most", str),
        "seconds": ("time", numbers.duration),
        "peak_memory_mib": ("peak memory", numbers.memory),
    }
    return [(label, write(results[key])) for key, (label, write) in shown.items() if results.get(key) is not None]

"""A run's progress: a live line on a terminal, plain lines elsewhere. All on standard error; results go to standard output."""

import sys
import time
from types import TracebackType
from typing import Any, Protocol, Self

from spikeformers.bench import goals, numbers

_PHASES = {
    "data": "reading the data",
    "train": "training",
    "test": "testing the best epoch",
    "analysis": "looking at the spikes",
    "energy": "counting operations",
    "done": "done",
}
_QUIET_SECONDS = 30.0
"""Longest silence of the plain form."""


class Display(Protocol):
    """Shows the events of a run; a context, so that the terminal is left as it was."""

    def __enter__(self) -> Self: ...
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
    def __call__(self, event: dict[str, Any]) -> None: ...


def display() -> Display:
    """The form that fits standard error."""
    return LiveDisplay() if sys.stderr.isatty() else PlainDisplay()


def epoch_line(training: dict[str, Any], validation: dict[str, Any]) -> str:
    """What an epoch came to, on one line."""
    goal = goals.goal_of(validation)
    parts = [
        f"epoch {validation['epoch'] + 1:>{len(str(validation['epochs']))}}/{validation['epochs']}",
        f"loss {_number(training.get('loss'))}",
        f"train {_share(training.get(goal))}",
        f"val {_share(validation.get(goal))}{' *' if validation.get('best') else '  '}",
        f"firing {_share(validation.get('firing_rate'))}",
    ]
    return "  ".join(parts)


class PlainDisplay:
    """A line per epoch and phase, and one now and then within long epochs."""

    def __init__(self) -> None:
        self._training: dict[str, Any] = {}
        self._said = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def __call__(self, event: dict[str, Any]) -> None:
        if event["kind"] == "phase" and event["phase"] != "done":
            self._say(_PHASES.get(event["phase"], event["phase"]))
        elif event["kind"] == "note":
            self._say(event["text"])
        elif event["kind"] == "epoch":
            self._training = event
        elif event["kind"] == "validation":
            self._say(epoch_line(self._training, event))
        elif event["kind"] == "step" and time.monotonic() - self._said > _QUIET_SECONDS:
            left = numbers.duration(event.get("eta_seconds"))
            self._say(f"step {event['step']}/{event['total_steps']}  loss {_number(event.get('loss'))}  {left} left")

    def _say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)
        self._said = time.monotonic()


class LiveDisplay:
    """A bar with the numbers of the moment; finished epochs scroll by above it."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn
        from rich.table import Column

        self._training: dict[str, Any] = {}
        self._progress = Progress(
            TextColumn("[bold]{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=6)),
            TextColumn("{task.fields[numbers]}", table_column=Column(no_wrap=True)),
            console=Console(stderr=True, highlight=False),
            expand=True,
            transient=True,
        )
        self._task = self._progress.add_task(_PHASES["data"], total=None, numbers="")

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, event: dict[str, Any]) -> None:
        if event["kind"] == "phase":
            self._progress.update(self._task, description=_PHASES.get(event["phase"], event["phase"]), numbers="")
        elif event["kind"] == "note":
            self._progress.console.print(event["text"], markup=False)
        elif event["kind"] == "epoch":
            self._training = event
        elif event["kind"] == "validation":
            self._progress.console.print(epoch_line(self._training, event))
        elif event["kind"] == "step":
            self._progress.update(
                self._task,
                description=f"epoch {event['epoch'] + 1}/{event['epochs']}",
                completed=event["step"],
                total=event["total_steps"],
                numbers=self._moment(event),
            )

    def _moment(self, event: dict[str, Any]) -> str:
        parts = [
            f"loss {_number(event.get('loss'))}",
            f"{goals.short(goals.goal_of(event))} {_share(event.get(goals.goal_of(event)))}",
            f"firing {_share(event.get('firing_rate'))}",
            f"{_number(event.get('steps_per_second'), 1)} steps/s",
            f"{numbers.duration(event.get('eta_seconds'))} left",
        ]
        # The least needed go first where the terminal is narrow.
        room = self._progress.console.width - 24
        for dropped in (3, 2):
            if len("  ".join(parts)) > room:
                del parts[dropped]
        return "  ".join(parts)


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _share(value: float | None) -> str:
    return numbers.percent(value).rjust(7)

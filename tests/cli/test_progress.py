import io
import sys

import pytest

from spikeformers.cli.progress import LiveDisplay, PlainDisplay, display

STEP = {
    "kind": "step", "step": 3, "total_steps": 10, "epoch": 0, "epochs": 2, "loss": 1.25, "accuracy": 0.5,
    "firing_rate": 0.125, "steps_per_second": 4.0, "eta_seconds": 61.0,
}  # fmt: skip
EPOCH = {
    "kind": "epoch",
    "epoch": 0,
    "epochs": 2,
    "step": 5,
    "loss": 1.0,
    "accuracy": 0.75,
    "firing_rate": 0.1,
    "lr": 1e-3,
}
VALIDATION = {
    "kind": "validation",
    "epoch": 0,
    "epochs": 2,
    "step": 5,
    "accuracy": 0.8,
    "firing_rate": 0.11,
    "best": True,
}
EVENTS = [
    {"kind": "phase", "phase": "data"},
    {"kind": "phase", "phase": "train"},
    STEP,
    EPOCH,
    VALIDATION,
    {"kind": "phase", "phase": "test"},
]


def test_without_a_terminal_there_are_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as show:
        assert isinstance(show, PlainDisplay)
        for event in EVENTS:
            show(event)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["reading the data", "training"]
    assert "epoch 1/2" in lines[2]
    assert "75.0 %" in lines[2]
    assert "80.0 % *" in lines[2]
    assert lines[-1] == "testing the best epoch"
    assert "\x1b" not in "".join(lines)


def test_long_epochs_do_not_stay_silent(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    show = PlainDisplay()
    monkeypatch.setattr("spikeformers.cli.progress._QUIET_SECONDS", -1.0)
    show(STEP)
    assert capsys.readouterr().err == "step 3/10  loss 1.250  1 min 1 s left\n"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("width", "seen", "unseen"), [(140, ["firing", "steps/s"], []), (80, ["acc", "left"], ["steps/s"])]
)
def test_a_terminal_shows_the_moment(
    monkeypatch: pytest.MonkeyPatch, width: int, seen: list[str], unseen: list[str]
) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    with display() as show:
        assert isinstance(show, LiveDisplay)
        for event in EVENTS[:3]:
            show(event)
        show._progress.refresh()
    shown = terminal.getvalue()
    for text in ("epoch 1/2", "1.250", "1 min 1 s left", *seen):
        assert text in shown
    for text in unseen:
        assert text not in shown

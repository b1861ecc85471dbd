import os
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from spikeformers.cli import main as entry
from spikeformers.core.errors import SpikeformersError

Command = Callable[..., Any]


@pytest.mark.parametrize("words", [[], ["--help"], ["help"]])
def test_help_names_every_verb_and_shows_examples(command: Command, words: list[str]) -> None:
    done = command(*words)
    assert done.status == 0
    assert all(f"  {verb}" in done.out for verb in entry.VERBS)
    assert "spikeformers train spikformer_digits" in done.out


@pytest.mark.parametrize("verb", sorted(entry.VERBS))
def test_the_help_of_every_verb_shows_examples(command: Command, verb: str) -> None:
    done = command(verb, "--help")
    assert done.status == 0
    assert "examples:" in done.out
    assert f"spikeformers {verb} " in done.out


def test_help_and_the_list_of_kinds_load_nothing_heavy() -> None:
    program = (
        "import sys; from spikeformers.cli.main import main\n"
        "for words in ([], ['list'], *([v, '--help'] for v in ('train', 'eval', 'energy', 'report', 'list', 'show'))): main(words)\n"
        "sys.exit(sorted({'torch', 'lightning', 'pytorch_lightning', 'numpy', 'rich', 'tyro', 'matplotlib'} & set(sys.modules)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_module_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "spikeformers", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("spikeformers 0.")


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["trian"], "did you mean 'train'"),
        (["list", "modles"], "did you mean 'models'"),
        (["list", "neurons", "lfi"], "did you mean 'lif'"),
        (["list", "neurons", "--jsn"], "did you mean '--json'"),
        (["list", "neurons", "lif", "more"], "does not expect 'more'"),
        (["list", "neurons", "--plugin"], "expected one argument"),
        (["list", "neurons", "--plugin", "no_such_module"], "cannot import the plugin 'no_such_module'"),
        (["eval"], "RUN_OR_CHECKPOINT"),
        (["eval", "nowhere"], "nowhere"),
        (["report", "nowhere"], "there is no run folder nowhere"),
        (["report", "nowhere", "--figur", "x.png"], "did you mean '--figure'"),
        (["energy", "spikformer_4_348"], "did you mean 'spikformer_4_384'"),
        (["energy", "spikformer_tiny", "--rate", "1.5"], "rate=1.5 must lie between 0 and 1"),
        (["energy", "spikformer_tiny", "--rate", "fast"], "invalid float value"),
        (["energy", "spikformer_tiny", "--batches", "0"], "batches=0 must be at least 1"),
        (["energy", "spikformer_tiny", "--prices", "horowitz_45"], "horowitz_45nm"),
        (["energy", "spikformer_digits", "--rate", "0.1"], "--rate is for models by name"),
        (["energy", "runs/nothing"], "runs/nothing"),
    ],
)
def test_a_mistake_gets_one_clear_line(command: Command, words: list[str], near: str) -> None:
    done = command(*words)
    assert done.status == 2
    assert done.out == ""
    assert near in done.err
    assert done.err.startswith("spikeformers: ")
    assert done.err.count("\n") == 1
    assert "Traceback" not in done.err


def test_interruption_is_clean(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(args: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "_run", interrupted)
    done = command("train")
    assert (done.status, done.err) == (130, "spikeformers: interrupted\n")


def test_a_fault_of_ours_keeps_its_traceback(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(args: list[str]) -> int:
        raise ZeroDivisionError("ours")

    monkeypatch.setattr(entry, "_run", broken)
    with pytest.raises(ZeroDivisionError):
        command("train")


def test_errors_are_red_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def mistaken(args: list[str]) -> int:
        raise SpikeformersError("no")

    monkeypatch.setattr(entry, "_run", mistaken)
    monkeypatch.delenv("NO_COLOR", raising=False)
    entry.main([])
    assert capsys.readouterr().err == "spikeformers: no\n"
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    entry.main([])
    assert capsys.readouterr().err == "\x1b[31mspikeformers: no\x1b[0m\n"


def test_a_reader_that_leaves_early_is_no_error() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    words = [sys.executable, "-m", "spikeformers", "--help"]
    done = subprocess.run(words, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, "")

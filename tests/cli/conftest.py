"""One tiny run, trained through the command line once, for every test that needs a real run folder."""

import contextlib
import io
from dataclasses import dataclass
from pathlib import Path

import pytest

from spikeformers.cli.main import main

TINY = [
    "--model.dim", "16", "--model.depth", "1", "--model.heads", "2", "--data.limit", "40", "--data.eval-limit", "20",
    "--train.epochs", "2", "--train.batch-size", "20", "--train.eval-batch-size", "20",
]  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A command that has run."""

    status: int
    out: str
    err: str


def run_in(folder: Path, *words: str) -> Done:
    """Run a command line in this process, in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(words)
    return Done(status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def tiny() -> list[str]:
    """Flags that make the digits recipe end within seconds."""
    return list(TINY)


@pytest.fixture(scope="session")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny run was trained, as runs/spikformer_digits-1."""
    return tmp_path_factory.mktemp("workshop")


@pytest.fixture(scope="session")
def trained(workshop: Path) -> Done:
    """The command that trained the tiny run: another neuron, one of its fields set."""
    patch = pytest.MonkeyPatch()
    patch.delenv("SPIKEFORMERS_RUN_FOLDER", raising=False)
    done = run_in(workshop, "train", "spikformer_digits", "model.neuron=plif", "--model.neuron.init-tau", "1.5", *TINY)
    patch.undo()
    return done


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Runs a command line in an empty folder, or in the one given as `cwd`."""
    monkeypatch.delenv("SPIKEFORMERS_RUN_FOLDER", raising=False)

    def run(*words: str, cwd: Path | None = None) -> Done:
        return run_in(cwd or tmp_path, *words)

    return run

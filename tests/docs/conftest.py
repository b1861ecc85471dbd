"""A short real run for the documented commands to look at."""

from pathlib import Path

import pytest

from spikeformers.cli.main import main


@pytest.fixture(scope="session")
def digits_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of spikformer_digits, cut short."""
    folder = tmp_path_factory.mktemp("runs") / "spikformer_digits-1"
    short = ["--train.epochs", "1", "--data.limit", "40", "--data.eval-limit", "40"]
    assert main(["train", "spikformer_digits", *short, "--folder", str(folder)]) == 0
    return folder

"""A run over files of which some are damaged."""

from pathlib import Path

import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.datasets.n_mnist import NMNISTConfig
from spikeformers.data.events.representation import Frames
from spikeformers.engine.config import RunConfig
from spikeformers.engine.run import evaluate, train

pytestmark = pytest.mark.usefixtures("cheap_energy")


@pytest.fixture
def run(tiny: RunConfig, tmp_path: Path) -> RunConfig:
    data = NMNISTConfig(root=str(tmp_path / "data"), size=8, representation=Frames(steps=2), val_fraction=0.3)
    data.fake(30, tmp_path / "data")
    for name in ("Train/3/00004.bin", "Train/5/00026.bin", "Test/7/00018.bin"):
        (tmp_path / "data" / name).write_bytes(b"abc")
    train_config = tiny.train.but(epochs=1, accumulate=1, ema_decay=None)
    return tiny.but(data=data, encoder="direct", model=tiny.model.but(in_channels=2), train=train_config)


def test_a_damaged_file_ends_the_run_and_is_named(run: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"\.bin: event 0 at byte 0 is cut off"):
        train(run, tmp_path / "out")


def test_skipped_files_are_counted_in_the_results(
    run: RunConfig, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    skipping = run.but(train=run.train.but(skip_corrupt=True))
    assert train(skipping, tmp_path / "out")["skipped"] == 3
    assert "3 samples could not be read and were left out" in caplog.text
    assert "Test/7/00018.bin" in caplog.text
    found = evaluate(tmp_path / "out")
    assert (found["samples"], found["skipped"]) == (30, 1)

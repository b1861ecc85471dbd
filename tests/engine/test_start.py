"""A pre-training as a run, exact and reported, and trainings that start from its weights."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from spikeformers.bench.figure import write_figure
from spikeformers.bench.measure import Portions, measure_run
from spikeformers.bench.quantized import quantized
from spikeformers.bench.report import write_report
from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.engine.config import RunConfig
from spikeformers.engine.run import evaluate, train
from spikeformers.models.masked_autoencoder import DecoderConfig
from spikeformers.tasks.masked_autoencoding import MaskedAutoencodingConfig

Same = Callable[[Path, Path], None]


class Killed(BaseException):
    """Stands for SIGKILL."""


def masked(tiny: RunConfig) -> RunConfig:
    task = MaskedAutoencodingConfig(decoder=DecoderConfig(dim=8, depth=1, heads=2))
    return tiny.but(name="masked", task=task, train=tiny.train.but(choose="loss"))


@pytest.fixture(scope="module")
def pretrained(tiny: RunConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished pre-training, its energy really assessed."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("pretrained") / "run"
    train(masked(tiny), folder)
    return folder


def test_a_pretraining_ends_with_its_own_goal_and_a_report_with_pictures(pretrained: Path) -> None:
    results = json.loads((pretrained / "results.json").read_text())
    assert results["goal"] == "explained"
    assert "test/accuracy" not in results
    assert results["energy/ann_mj"] > 0
    html = write_report(pretrained).read_text(encoding="utf-8")
    assert "of what was hidden in digits explained" in html
    assert "Drawn from what was left visible" in html
    assert html.count('<img class="bitmap"') == 18
    assert "Confusion" not in html
    assert write_figure(pretrained, pretrained / "run.png").stat().st_size > 1000
    found = evaluate(pretrained)
    assert found["test/explained"] == results["test/explained"]
    assert found["goal"] == "explained"


def test_other_verbs_measure_a_pretraining_or_say_that_they_do_not(pretrained: Path) -> None:
    found = measure_run(pretrained, Portions(batches=1, size=2)).to_dict()
    assert found["ann_mj"] > 0
    with pytest.raises(ConfigError, match=r"is no classifier \(its task is 'masked_autoencoding'\)"):
        quantized(pretrained)


def test_a_pretraining_that_was_killed_goes_on_to_the_same_end(
    tiny: RunConfig, pretrained: Path, tmp_path: Path, assert_same_run: Same
) -> None:
    def on_event(event: dict[str, Any]) -> None:
        if event["kind"] == "step" and event["step"] == 4:
            raise Killed

    with pytest.raises(Killed):
        train(masked(tiny), tmp_path, on_event=on_event)
    train(masked(tiny), tmp_path, resume=True)
    assert_same_run(tmp_path, pretrained)


def started(config: RunConfig, folder: Path) -> tuple[str, dict[str, torch.Tensor]]:
    """What a run says of its start, and the weights with which it begins."""
    said: list[str] = []

    def on_event(event: dict[str, Any]) -> None:
        said.extend([event["text"]] if event["kind"] == "note" else [])
        if event.get("phase") == "test":
            raise Killed

    # With a rate of nearly zero, what it ends with is what it began with, but for statistics of batch norms.
    still = config.but(optim=config.optim.but(lr=1e-30, weight_decay=0.0), train=config.train.but(ema_decay=None))
    with pytest.raises(Killed):
        train(still, folder, on_event=on_event)
    return said[0], load_file(folder / "checkpoint" / "best.safetensors")


def test_a_training_starts_from_the_encoder_of_a_pretraining(tiny: RunConfig, pretrained: Path, tmp_path: Path) -> None:
    said, weights = started(tiny.but(weights=str(pretrained)), tmp_path / "run")
    before = load_file(pretrained / "checkpoint" / "best.safetensors")
    assert "the model's own: head.*" in said
    assert "left out of the file: norm.*" in said
    assert "decoder.*" in said
    same = [name for name in weights if name.endswith("weight") and f"encoder.{name}" in before]
    assert len(same) > 10
    assert "head.weight" not in same
    assert all(torch.equal(weights[name], before[f"encoder.{name}"]) for name in same)


def test_a_pretraining_goes_on_from_another_and_quantized_ones_start_in_full_precision(
    tiny: RunConfig, pretrained: Path, tmp_path: Path
) -> None:
    said, weights = started(masked(tiny).but(weights=str(pretrained)), tmp_path / "more")
    assert said.endswith("decoder included")
    before = load_file(pretrained / "checkpoint" / "best.safetensors")
    assert torch.equal(weights["decoder.predict.weight"], before["decoder.predict.weight"])
    few_bits = tiny.but(weights=str(pretrained), quantize=tiny.quantize.but(weights=4))
    assert "left out of the file" in started(few_bits, tmp_path / "bits")[0]


def test_weights_that_are_not_there_or_do_not_fit_are_named(tiny: RunConfig, pretrained: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no .*nowhere; give the folder of a run"):
        train(tiny.but(weights=str(tmp_path / "nowhere")), tmp_path / "a")
    wide = tiny.but(weights=str(pretrained), model=tiny.model.but(dim=32))
    with pytest.raises(CheckpointError, match=r"does not fit spikformer: .* shapes differ"):
        train(wide, tmp_path / "b")
    chunked = masked(tiny).but(train=tiny.train.but(chunk_steps=1))
    with pytest.raises(ConfigError, match=r"MaskedAutoencoder has one output for all steps"):
        train(chunked, tmp_path / "c")

"""A run as a whole: its files, events, faults and options."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.data.samples import ArraySamples
from spikeformers.engine.config import RunConfig
from spikeformers.engine.firing import spiking_layers
from spikeformers.engine.machine import machine_card
from spikeformers.engine.resume import Progress
from spikeformers.engine.run import evaluate, load_task, train
from spikeformers.engine.stop import Diverged, explain_divergence
from spikeformers.models.vision.spikformer import SpikformerConfig

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def quick(tiny: RunConfig) -> Callable[..., RunConfig]:
    """`TINY` in one epoch without average, augmentation and accumulation, with other changes of `train`."""

    def change(**changes: Any) -> RunConfig:
        plain = {"epochs": 1, "ema_decay": None, "accumulate": 1, "checkpoint_steps": None, **changes}
        return tiny.but(encoder="direct", data=tiny.data.but(augment=None), train=tiny.train.but(**plain))

    return change


def test_a_run_leaves_every_file_and_says_what_it_does(quick: Any, tmp_path: Path, capfd: Any) -> None:
    events: list[dict[str, Any]] = []
    results = train(quick(), tmp_path, on_event=events.append)
    assert capfd.readouterr() == ("", "")
    assert {p.name for p in tmp_path.iterdir()} == {
        *("config.yaml", "machine.json", "metrics.jsonl", "results.json", "analysis.json", "energy.json", "checkpoint")
    }
    assert {p.name for p in (tmp_path / "checkpoint").iterdir()} == {"last.ckpt", "best.safetensors"}
    assert RunConfig.from_yaml(tmp_path / "config.yaml") == quick()
    assert json.loads((tmp_path / "results.json").read_text()) == results
    assert results["energy/ann_mj"] > 0
    assert results["synops"] > 0
    assert 0 < results["firing_rate"] < 1
    assert [e["phase"] for e in events if e["kind"] == "phase"] == [
        "data",
        "train",
        "test",
        "analysis",
        "energy",
        "done",
    ]
    steps = [e for e in events if e["kind"] == "step"]
    assert [e["step"] for e in steps] == [1, 2, 3, 4, 5]
    assert {e["total_steps"] for e in steps} == {5}
    assert set(steps[0]) >= {"loss", "accuracy", "firing_rate", "steps_per_second", "eta_seconds"}
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(r["split"], r["step"], r["epoch"]) for r in rows] == [("train", 5, 0), ("val", 5, 0)]
    assert rows[1]["accuracy"] == results["val/accuracy"]


def test_evaluation_of_folder_and_file_repeats_the_results(finished: Path) -> None:
    results = json.loads((finished / "results.json").read_text())
    for path in (finished, finished / "checkpoint" / "best.safetensors"):
        for split in ("val", "test"):
            found = evaluate(path, split)
            assert found[f"{split}/accuracy"] == results[f"{split}/accuracy"]
            assert found[f"{split}/loss"] == results[f"{split}/loss"]
    assert found["samples"] == 20
    last = evaluate(finished / "checkpoint" / "last.ckpt", "val")
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert last["val/loss"] == rows[-1]["loss"]


def test_the_analysis_shows_rates_raster_and_confusion_that_fit_together(finished: Path) -> None:
    analysis = json.loads((finished / "analysis.json").read_text())
    _, task = load_task(finished)
    layers = set(spiking_layers(task.model))
    assert (
        set(analysis["firing_rates"]) == set(analysis["raster"]["layers"]) == set(analysis["raster"]["sizes"]) == layers
    )
    assert all(len(rates) == 2 and all(0 <= r <= 1 for r in rates) for rates in analysis["firing_rates"].values())
    assert sum(map(sum, analysis["confusion"])) == 20
    assert analysis["classes"] == list("0123456789")
    for path, steps in analysis["raster"]["layers"].items():
        assert all(0 <= neuron < analysis["raster"]["sizes"][path] for step in steps for neuron in step)
    assert len(analysis["raster"]["image"]) == 8


@pytest.mark.usefixtures("cheap_energy")
def test_the_test_part_is_not_touched_before_the_end(
    quick: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    splits = quick().data.build()
    test_inputs = {row.numpy().tobytes() for row in splits.test.inputs(range(len(splits.test)))}
    phases, touched = [], set()
    real = ArraySamples.inputs

    def inputs(self: ArraySamples, indices: Any) -> torch.Tensor:
        found = real(self, indices)
        if test_inputs & {row.numpy().tobytes() for row in found}:
            touched.add(phases[-1])
        return found

    monkeypatch.setattr(ArraySamples, "inputs", inputs)
    train(quick(), tmp_path, on_event=lambda e: phases.append(e["phase"]) if e["kind"] == "phase" else None)
    assert touched <= {"test", "analysis"}
    assert "test" in touched


@pytest.mark.usefixtures("cheap_energy")
def test_bf16_patience_clipping_accumulation_and_averaging_do_what_they_say(quick: Any, tmp_path: Path) -> None:
    base = train(quick(), tmp_path / "base")
    half = train(quick(precision="bf16"), tmp_path / "half")
    assert half["val/loss"] != base["val/loss"]
    assert half["val/loss"] == pytest.approx(base["val/loss"], rel=0.2)
    clipped = train(quick(clip_norm=1e-6), tmp_path / "clipped")
    averaged = train(quick(ema_decay=0.5), tmp_path / "averaged")
    accumulated = train(quick(accumulate=5), tmp_path / "accumulated")
    assert len({r["val/loss"] for r in (base, clipped, averaged, accumulated)}) == 4
    config = quick(epochs=30, patience=1)
    frozen = config.but(optim=config.optim.but(lr=1e-12))
    assert train(frozen, tmp_path / "patient")["epochs"] < 30


@pytest.mark.usefixtures("cheap_energy")
@pytest.mark.parametrize("choose", ["goal", "loss"])
def test_the_best_epoch_is_chosen_by_accuracy_or_by_loss(
    choose: str, quick: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    merits: list[tuple[float, float]] = []
    improved = Progress.improved
    monkeypatch.setattr(Progress, "improved", lambda self, merit: merits.append(merit) or improved(self, merit))
    best = train(quick(epochs=3, choose=choose), tmp_path)["best_epoch"]
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    validations = [(row["accuracy"], -row["loss"]) for row in rows if row["split"] == "val"]
    assert merits == (validations if choose == "goal" else [merit[::-1] for merit in validations])
    assert best == merits.index(max(merits))


def test_an_epoch_is_better_by_the_first_merit_and_then_the_second() -> None:
    progress = Progress()
    outcomes = []
    for epoch, merit in enumerate([(0.5, -1.0), (0.4, -0.1), (0.5, -0.9), (0.5, -0.9), (0.6, -3.0)]):
        progress.epoch = epoch
        outcomes.append(progress.improved(merit))
    assert outcomes == [True, False, True, False, True]
    assert (progress.best_epoch, progress.stale) == (4, 0)


@pytest.mark.usefixtures("cheap_energy")
def test_the_same_seed_gives_the_same_run_and_another_another(quick: Any, tmp_path: Path) -> None:
    first, same = train(quick(), tmp_path / "a"), train(quick(), tmp_path / "b")
    other = train(quick().but(seed=4), tmp_path / "c")
    assert first["val/loss"] == same["val/loss"] != other["val/loss"]


def test_a_divergence_names_the_layer(quick: Any, tmp_path: Path) -> None:
    config = quick()
    with pytest.raises(Diverged, match=r"nan at step 2 .*not finite is model\.\S+ \(\w+\).*--optim\.lr"):
        train(config.but(optim=config.optim.but(lr=1e30)), tmp_path)


def test_the_first_layer_with_a_wrong_output_is_found() -> None:
    class Root(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.sqrt(x)

    model = torch.nn.Sequential(
        torch.nn.Linear(2, 2), torch.nn.Sequential(Root(), torch.nn.ReLU()), torch.nn.Linear(2, 2)
    )
    x = torch.full((1, 2), -100.0)
    torch.nn.init.eye_(model[0].weight)
    said = explain_divergence(model, lambda: model(x))
    assert "1.0 (Root)" in said
    assert not any(module._forward_hooks for module in model.modules())


def test_a_model_that_does_not_fit_leaves_no_folder(tiny: RunConfig, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"--model\.num-classes 10"):
        train(
            tiny.but(model=SpikformerConfig(img_size=8, in_channels=1, num_classes=7, pools="0011")), tmp_path / "run"
        )
    assert not (tmp_path / "run").exists()


def test_nothing_to_evaluate_is_said_clearly(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(CheckpointError, match="no epoch of its run has ended"):
        evaluate(tmp_path)
    with pytest.raises(CheckpointError, match="give the folder of a run"):
        evaluate(tmp_path / "nothing.safetensors")
    with pytest.raises(ConfigError, match="did you mean 'val'"):
        evaluate(finished, "vall")


def test_the_machine_card_names_no_host_and_no_person() -> None:
    import getpass
    import socket

    text = json.dumps(machine_card())
    assert socket.gethostname() not in text
    assert f'"{getpass.getuser()}"' not in text
    assert '"torch"' in text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("epochs", 0),
        ("batch_size", 0),
        ("patience", 0),
        ("ema_decay", 1.0),
        ("clip_norm", 0.0),
        ("workers", -1),
        ("devices", 3),
    ],
)
def test_impossible_settings_are_refused_by_name(tiny: RunConfig, field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        tiny.train.but(**{field: value})


def test_loggers_of_others_are_left_as_they_were(finished: Path) -> None:
    assert logging.getLogger().level == logging.WARNING

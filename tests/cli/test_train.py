import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from spikeformers.cli import train as verb
from spikeformers.cli.parsing import UsageError
from spikeformers.cli.request import Request

Command = Callable[..., Any]
RUN = Path("runs") / "spikformer_digits-1"


def test_training_ends_with_the_table_the_report_and_the_folder(trained: Any, workshop: Path) -> None:
    assert trained.status == 0, trained.err
    lines = trained.out.splitlines()
    assert lines[-1] == str(RUN)
    assert lines[-2] == f"report: {RUN / 'report.html'}"
    for label in (
        "test accuracy",
        "validation accuracy",
        "parameters",
        "mean firing rate",
        "synaptic operations",
        "ANN twin",
        "time",
        "peak memory",
    ):
        assert any(label in line for line in lines), label
    assert (workshop / RUN / "report.html").stat().st_size > 10_000
    assert "epoch 2/2" in trained.err
    assert "\x1b" not in trained.out + trained.err


def test_the_run_used_what_was_asked_for(trained: Any, workshop: Path) -> None:
    config = yaml.safe_load((workshop / RUN / "config.yaml").read_text())
    assert config["model"]["neuron"]["family"] == "plif"
    assert config["model"]["neuron"]["init_tau"] == 1.5
    results = json.loads((workshop / RUN / "results.json").read_text())
    for key in (
        "test/accuracy",
        "val/accuracy",
        "firing_rate",
        "params",
        "energy/snn_mj",
        "energy/ann_mj",
        "seconds",
        "peak_memory_mib",
    ):
        assert isinstance(results[key], int | float), key


def test_an_earlier_configuration_trains_to_the_same_end(trained: Any, workshop: Path, command: Command) -> None:
    done = command("train", str(RUN / "config.yaml"), "--folder", "again", cwd=workshop)
    assert (done.status, done.out.splitlines()[-1]) == (0, "again")
    first, second = (json.loads((workshop / run / "results.json").read_text()) for run in (RUN, "again"))
    for key in ("test/loss", "test/accuracy", "val/loss", "energy/snn_mj"):
        assert first[key] == second[key], key


def test_resuming_a_finished_run_prints_it_again(trained: Any, workshop: Path, command: Command) -> None:
    for words in (["train", str(RUN), "--resume"], ["train", str(RUN / "config.yaml"), "--resume"]):
        done = command(*words, cwd=workshop)
        assert done.status == 0
        assert done.out.splitlines()[-1] == str(RUN)


def test_resuming_with_another_configuration_is_refused(trained: Any, workshop: Path, command: Command) -> None:
    done = command("train", str(RUN), "--resume", "--seed", "9", cwd=workshop)
    assert done.status == 2
    assert "seed" in done.err.splitlines()[-1]


def test_a_folder_that_holds_a_run_is_not_overwritten(trained: Any, workshop: Path, command: Command) -> None:
    done = command("train", str(RUN), "--folder", str(RUN), cwd=workshop)
    assert done.status == 2
    assert "already holds a run" in done.err


def test_a_model_that_does_not_fit_the_data_says_which_flags_would(command: Command, tmp_path: Path) -> None:
    done = command("train", "spikformer_digits", "data=cifar10")
    assert done.status == 2
    assert "--model.img-size 32" in done.err
    assert not list((tmp_path / "runs").iterdir()), "a run that never began leaves no folder"


def test_eval_measures_the_run(trained: Any, workshop: Path, command: Command) -> None:
    results = json.loads((workshop / RUN / "results.json").read_text())
    found = json.loads(command("eval", str(RUN), "--json", cwd=workshop).out)
    assert found["test/accuracy"] == results["test/accuracy"]
    assert "validation accuracy" in command("eval", str(RUN), "--split", "val", cwd=workshop).out
    done = command("eval", str(RUN), "--split", "tset", cwd=workshop)
    assert (done.status, "did you mean 'test'" in done.err) == (2, True)


def test_eval_on_binary_spikes_measures_the_same(tiny: list[str], tmp_path: Path, command: Command) -> None:
    words = [
        "train",
        "spikformer_digits",
        "model.neuron=ilif",
        "--model.neuron.v-threshold",
        "0.25",
        *tiny,
        "--folder",
        "run",
    ]
    assert command(*words, cwd=tmp_path).status == 0
    usual, binary = (json.loads(command("eval", "run", *f, "--json", cwd=tmp_path).out) for f in ((), ("--binary",)))
    assert binary["binary_layers"] > 3
    assert binary["virtual_steps"] > 1
    for name in ("test/accuracy", "test/loss", "firing_rate"):
        assert binary[name] == pytest.approx(usual[name], rel=1e-4)


def test_energy_measures_the_run_and_says_on_what(trained: Any, workshop: Path, command: Command) -> None:
    found = json.loads(command("energy", str(RUN), "--batches", "2", "--json", cwd=workshop).out)
    assert found["weights"] == f"trained, from {RUN}"
    assert found["inputs"] == "4 validation samples of digits, encoder direct"
    assert 0 < found["snn_mj"] < found["ann_mj"]
    shown = command("energy", str(RUN), "--batches", "2", cwd=workshop).out
    assert "validation samples" in shown
    assert "convention" in shown


def test_the_report_and_the_picture_are_written_again(trained: Any, workshop: Path, command: Command) -> None:
    before = (workshop / RUN / "report.html").read_bytes()
    assert command("report", str(RUN), cwd=workshop).out == f"{RUN / 'report.html'}\n"
    assert (workshop / RUN / "report.html").read_bytes() == before
    assert command("report", str(RUN), "--figure", "run.png", cwd=workshop).out == "run.png\n"
    assert (workshop / "run.png").read_bytes()[:4] == b"\x89PNG"


def test_a_stopped_training_says_how_to_go_on(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    from spikeformers.engine.stop import Interrupted

    def stopped(*args: Any, **options: Any) -> None:
        raise Interrupted("stopped; go on with --resume")

    monkeypatch.setattr("spikeformers.engine.run.train", stopped)
    done = command("train", "spikformer_digits")
    assert done.status == 130
    assert done.err.endswith("spikeformers: stopped; go on with --resume\n")


def test_folders_are_numbered_and_the_newest_is_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert [str(verb._free("a")) for _ in range(2)] == ["runs/a-1", "runs/a-2"]
    assert verb._to_resume("a", "recipe") is None
    (tmp_path / "runs" / "a-1" / "config.yaml").write_text("")
    assert verb._to_resume("a", "recipe") == Path("runs/a-1")
    assert verb._to_resume("b", "runs/a-1") == Path("runs/a-1")


def test_processes_of_one_run_agree_on_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from spikeformers.recipes import RECIPES

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPIKEFORMERS_RUN_FOLDER", "")
    config = RECIPES.config("spikformer_digits")
    chosen = verb._folder(config, Request(what="spikformer_digits"), resume=False, leader=True)
    assert verb._folder(config, Request(what="spikformer_digits"), resume=False, leader=False) == chosen
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(UsageError, match="--folder"):
        verb._folder(config, Request(what="spikformer_digits"), resume=False, leader=True)

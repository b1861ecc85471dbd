"""`spikeformers energy` as a user meets it."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import spikeformers

Command = Callable[..., Any]
QUICK = ("spikformer_tiny", "--batches", "1", "--batch-size", "1")


def test_every_answer_stands_in_one_output(command: Command) -> None:
    out = command("energy", *QUICK, "--measure").out
    for part in (
        "not spike-driven: stem.units.0.unit.conv",
        "weight fetched at every use",
        "ANN w8a3 bit-serial",
        "+ sram_8kb",
        "+ dram",
        "SNN w8 / ANN int8: who needs less",
        "turned around at",
        "Break-even spikes per input and step at T=4; measured 0.",
        "ms per sample in batches of 1",
        "joules",
    ):
        assert part in out, part


def test_the_json_has_everything_and_neurobenchs_names(command: Command) -> None:
    found = json.loads(command("energy", *QUICK, "--json").out)
    assert {"variants", "levels", "sensitivity", "verdict", "break_even", "conventions", "input_rate"} <= set(found)
    names = ("Footprint", "ParameterCount", "ConnectionSparsity", "ActivationSparsity", "SynapticOperations")
    assert set(names) <= set(found["neurobench"])
    assert {row["steps"] for row in found["break_even"]} >= {1, 4, 16}
    assert len(found["levels"]) >= 3


def test_a_checkpoint_of_a_named_model_is_measured(command: Command, tmp_path: Path) -> None:
    model = spikeformers.create_model("spikformer_tiny")
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    torch.save(model.state_dict(), tmp_path / "silent.pt")
    found = json.loads(command("energy", *QUICK, "--weights", "silent.pt", "--json").out)
    assert found["weights"] == "those of silent.pt"
    assert any("all neurons are silent" in flag for flag in found["flags"])
    broken = command("energy", *QUICK, "--weights", "nothing.pt")
    assert (broken.status, broken.out) == (2, "")
    assert "nothing.pt" in broken.err


def test_prices_of_ones_own_are_used_and_missing_ones_named(command: Command, tmp_path: Path) -> None:
    prices = "{mac: 1, ac: 1, add: 1, compare: 0, select: 0, shift: 0, mul: 0, and: 0}"
    (tmp_path / "mine.yaml").write_text(
        f"name: mine\nsource: a guess\nformats:\n  fp32: {prices}\nlevels: {{near: 1, far: 2}}\n"
    )
    found = json.loads(command("energy", *QUICK, "--prices", "mine.yaml", "--json").out)
    assert (found["prices"], found["levels"]) == ("mine", {"near": 1, "far": 2})
    adds = sum(row["operations"].get("add", 0) for row in found["layers"])
    assert found["snn_mj"] == pytest.approx(1e-9 * (found["synops"] + adds))
    (tmp_path / "mine.yaml").write_text("name: mine\nsource: a guess\nformats: {fp32: {ac: 1}}\n")
    refused = command("energy", *QUICK, "--prices", "mine.yaml")
    assert (refused.status, refused.out) == (2, "")
    assert "has no fp32 price for mac (" in refused.err
    assert "partial: true" in refused.err


def test_printed_energies_are_checked_against_operations_with_the_rate_as_input(command: Command) -> None:
    out = command("energy", "spikformer_8_768", "--published", "--rate", "0.3").out
    assert "21.48" in out
    assert "32.07" in out
    assert "mJ at rate 0.3" in out
    assert "Charging 2.86 G" in out
    rows = json.loads(command("energy", "qkformer_10_768", "--published", "--json").out)["rows"]
    assert rows[0]["mj"] == 38.91


@pytest.mark.parametrize(
    ("words", "near"),
    [
        ([], "say first what to measure"),
        (["spikformer_digits", "--weights", "x.pt"], "--weights is for models by name"),
        (["spikformer_8_767", "--published"], "did you mean 'spikformer_8_768'"),
        (["spikformer_8_768", "--published", "--rate", "2"], "rate=2.0 must lie between 0 and 1"),
        (["spikformer_tiny", "--prices", "none.yaml"], "cannot read the price table none.yaml"),
    ],
)
def test_a_mistake_gets_one_clear_line(command: Command, words: list[str], near: str) -> None:
    done = command("energy", *words)
    assert (done.status, done.out) == (2, "")
    assert near in done.err
    assert done.err.count("\n") == 1

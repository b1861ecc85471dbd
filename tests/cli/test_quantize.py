"""`spikeformers quantize` on the tiny run: rounded, and its twin trained with few bits."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Command = Callable[..., Any]
RUN = Path("runs") / "spikformer_digits-1"
ENERGY = ("--batches", "1", "--batch-size", "4")


def test_the_spiking_network_is_rounded_and_its_twin_trained_with_few_bits(
    trained: Any, workshop: Path, command: Command
) -> None:
    first = command("quantize", str(RUN), *ENERGY, cwd=workshop)
    assert first.status == 0
    assert "add --train" in first.err
    assert "ANN twin" not in first.out
    done = command("quantize", str(RUN), *ENERGY, "--bits", "4", "--train", "--json", cwd=workshop)
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found == json.loads((workshop / RUN / "quantized.json").read_text())
    kinds = [(r["network"], r["method"], r["weights"], r["activations"]) for r in found["rows"]]
    assert kinds == [
        ("spiking", "", None, None),
        ("spiking", "PTQ", 4, None),
        ("ANN twin", "", None, None),
        ("ANN twin", "PTQ", 4, 4),
        ("ANN twin", "QAT", 4, 4),
    ]
    assert all(0.0 <= r["test/accuracy"] <= 1.0 for r in found["rows"])
    by_kind = dict(zip(kinds, found["rows"], strict=True))
    assert by_kind["ANN twin", "QAT", 4, 4]["op_mj"] == by_kind["ANN twin", "PTQ", 4, 4]["op_mj"]
    assert found["rows"][1]["op_mj"] < found["rows"][0]["op_mj"] < found["rows"][2]["op_mj"]
    trained_so = workshop / RUN / "twin-w4a4"
    results = json.loads((trained_so / "results.json").read_text())
    assert results["test/accuracy"] == by_kind["ANN twin", "QAT", 4, 4]["test/accuracy"]
    again = json.loads(command("eval", str(RUN / "twin-w4a4"), "--json", cwd=workshop).out)
    assert again["test/accuracy"] == results["test/accuracy"]
    counted = command("energy", str(RUN / "twin-w4a4"), "--batches", "1", cwd=workshop).out
    assert "4-bit weights and 4-bit activations, but is priced in fp32" in counted


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["runs/nothing"], "runs/nothing"),
        ([str(RUN), "--bits", "9"], "bits=9 must lie between 2 and 8"),
        ([str(RUN), "--prices", "loihi"], "has no int8 and int32 formats"),
    ],
)
def test_a_mistake_gets_one_clear_line(
    trained: Any, workshop: Path, command: Command, words: list[str], near: str
) -> None:
    done = command("quantize", *words, cwd=workshop)
    assert (done.status, done.out) == (2, "")
    assert near in done.err.splitlines()[-1]
    assert "Traceback" not in done.err


def test_a_recipe_is_trained_with_few_bits(command: Command, tiny: list[str], tmp_path: Path) -> None:
    words = ["train", "spikformer_digits", *tiny, "--quantize.weights", "4", "--train.epochs", "1", "--folder", "few"]
    done = command(*words)
    assert done.status == 0, done.err
    assert "weights: 4" in (tmp_path / "few" / "config.yaml").read_text()
    refused = command("quantize", "few")
    assert refused.status == 2
    assert "few is a quantized or an analog network" in refused.err
    refused = command(*words[:-2], "--quantize.weights", "1", "--folder", "one")
    assert refused.status == 2
    assert "weights=1 bits" in refused.err

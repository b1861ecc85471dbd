import json
from collections.abc import Callable
from typing import Any

import pytest

Command = Callable[..., Any]

KINDS = {
    "models": "spikformer_4_384",
    "neurons": "lif",
    "surrogates": "atan",
    "encoders": "direct",
    "datasets": "digits",
    "augmentations": "crop_flip",
    "recipes": "spikformer_digits",
    "tasks": "classification",
    "optimizers": "adamw",
    "schedules": "cosine",
}


@pytest.mark.parametrize(("kind", "name"), KINDS.items())
def test_every_kind_is_listed_for_people_and_programs(command: Command, kind: str, name: str) -> None:
    pattern = "spikformer_4*" if kind == "models" else "*"  # to build them all takes its time
    rows = json.loads(command("list", kind, pattern, "--json").out)
    assert name in {row["name"] for row in rows}
    assert all(row["name"] and row["family"] and row["summary"] for row in rows)
    lines = command("list", kind, pattern).out.splitlines()
    assert len(lines) == len(rows) + 1


def test_models_have_family_parameters_and_source(command: Command) -> None:
    (row,) = json.loads(command("list", "models", "spikformer_4_384", "--json").out)
    assert row["family"] == "spikformer"
    assert row["params"] == 9_324_730
    assert "ICLR 2023" in row["source"]


def test_neurons_have_their_equation(command: Command) -> None:
    rows = {row["name"]: row for row in json.loads(command("list", "neurons", "--json").out)}
    assert r"h_t" in rows["lif"]["equation"]


def test_a_pattern_selects_and_a_word_matches_anywhere(command: Command) -> None:
    names = [row["name"] for row in json.loads(command("list", "models", "spikformer_4_*", "--json").out)]
    assert "spikformer_4_384" in names
    assert "spikformer_8_768" not in names
    assert "spikformer_4_384" in [r["name"] for r in json.loads(command("list", "models", "4_384", "--json").out)]
    assert json.loads(command("list", "models", "no*such", "--json").out) == []


def test_piped_neurons_have_equation_source_and_what_a_variant_changes(command: Command) -> None:
    header, *lines = command("list", "neurons").out.splitlines()
    assert [c for c in ("name", "changes", "summary", "equation", "source") if c in header.split()] == header.split()
    rows = {line.split()[0]: line for line in lines}
    assert "yₜ=Θ(hₜ-vₜₕ)" in rows["lif"]
    assert "decay=0.25, v_threshold=0.5" in rows["ms_lif"]
    assert "ICCV 2021" in rows["plif"]
    weighted = json.loads(command("list", "encoders", "weighted_phase", "--json").out)
    assert weighted[0]["changes"] == {"weighted": True}

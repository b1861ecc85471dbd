"""The record behind the page of fidelity holds every file of official outputs, and what it claims."""

import json
from pathlib import Path

from safetensors import safe_open

ROOT = Path(__file__).resolve().parents[2]


def test_the_record_holds_every_file_of_official_outputs_and_all_are_equal() -> None:
    record = json.loads((ROOT / "benchmarks" / "results" / "fidelity.json").read_text(encoding="utf-8"))
    rows = {row["file"]: row for row in record["files"]}
    for path in (ROOT / "tests" / "golden").glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            logits = "y_single" in file.keys()  # noqa: SIM118 - an open file is no dict
        assert not logits or path.stem in rows, f"run benchmarks/fidelity.py: {path.stem} is not in its record"
    compared = [row[kind] for row in rows.values() for kind in ("default", "parity") if row[kind] is not None]
    assert max(compared) <= 1e-9

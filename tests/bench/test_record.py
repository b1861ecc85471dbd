import json
import re
from pathlib import Path

import pytest

from spikeformers.bench.record import RunError, read_run

FILES = ("config.yaml", "metrics.jsonl", "machine.json", "energy.json", "analysis.json", "results.json")


def test_a_run_is_read_back(run_folder: Path) -> None:
    record = read_run(run_folder)
    assert record.config["model"]["family"] == "spikformer"
    assert record.metrics[1]["split"] == "val"
    assert record.results["params"] == 321_000


@pytest.mark.parametrize("name", FILES[1:])
def test_a_missing_file_is_named_with_the_way_to_get_it(run_folder: Path, name: str) -> None:
    (run_folder / name).unlink()
    with pytest.raises(RunError, match=re.escape(name) + ".*--resume"):
        read_run(run_folder)


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_named(run_folder: Path, name: str) -> None:
    path = run_folder / name
    text = path.read_text()
    path.write_text("model: [1, 2\nb: }" if name == "config.yaml" else text[: len(text) - 5])
    with pytest.raises(RunError, match=re.escape(name)) as caught:
        read_run(run_folder)
    assert "\n" not in str(caught.value)


def test_a_missing_key_is_named(run_folder: Path) -> None:
    results = json.loads((run_folder / "results.json").read_text())
    del results["test/accuracy"]
    (run_folder / "results.json").write_text(json.dumps(results))
    with pytest.raises(RunError, match=r"results\.json lacks 'test/accuracy'"):
        read_run(run_folder)


def test_a_file_that_is_no_object_is_refused(run_folder: Path) -> None:
    (run_folder / "energy.json").write_text("[1, 2]")
    with pytest.raises(RunError, match="list, not a JSON object"):
        read_run(run_folder)


def test_any_other_folder_is_told_apart_from_an_unfinished_run(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not the folder of a run"):
        read_run(tmp_path)


def test_a_missing_folder_says_where_folders_are_printed(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no run folder"):
        read_run(tmp_path / "nowhere")


def test_bytes_that_are_no_text_are_refused(run_folder: Path) -> None:
    (run_folder / "metrics.jsonl").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RunError, match=r"cannot read .*metrics\.jsonl"):
        read_run(run_folder)

import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from spikeformers.bench.record import RunError
from spikeformers.bench.report import write_report

VOID = {"meta", "br", "wbr", "link", "img"}


class Outline(HTMLParser):
    """Headings, addresses, and whether every tag is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.headings: list[str] = []
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        return None

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "h2":
            self.headings.append(data)


def outline(html: str) -> Outline:
    parser = Outline()
    parser.feed(html)
    assert not parser.open
    return parser


def edit(folder: Path, name: str, **changes: Any) -> None:
    path = folder / name
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_the_report_shows_every_part(run_folder: Path) -> None:
    path = write_report(run_folder)
    assert path == run_folder / "report.html"
    html = path.read_text(encoding="utf-8")
    headings = outline(html).headings
    for wanted in (
        "Learning",
        "spike by spike",
        "Firing rates",
        "Energy by layer",
        "conventions",
        "Confusion",
        "do it again",
    ):
        assert any(wanted in heading for heading in headings), wanted
    for fact in (
        "97.78 %",
        "3.3× less than",
        "1 min 23 s",
        "812 MiB",
        "321,000",
        "2.13.0",
        "train spikformer_digits-1/config.yaml",
    ):
        assert fact in html, fact


def test_the_report_needs_nothing_from_outside(run_folder: Path) -> None:
    html = write_report(run_folder).read_text(encoding="utf-8")
    assert all(address.startswith("#") for address in outline(html).addresses)
    assert not re.search(r"https?://|@import|url\(", html)
    assert "<script" not in html


def test_the_same_files_give_the_same_bytes(run_folder: Path) -> None:
    first = write_report(run_folder).read_bytes()
    assert write_report(run_folder).read_bytes() == first


def test_text_from_files_cannot_become_markup(run_folder: Path) -> None:
    config = (run_folder / "config.yaml").read_text().replace("name: spikformer_digits", "name: <b>x</b>")
    (run_folder / "config.yaml").write_text(config)
    edit(run_folder, "machine.json", cpu="<script>alert(1)</script>")
    html = write_report(run_folder).read_text(encoding="utf-8")
    assert "<script" not in html
    assert "<b>x</b>" not in html
    assert "&lt;angle brackets&gt;" in html


def test_numbers_that_are_unknown_do_not_break_the_report(run_folder: Path) -> None:
    edit(run_folder, "results.json", **{"val/accuracy": None, "energy/ann_mj": None, "synops": None})
    energy = json.loads((run_folder / "energy.json").read_text())
    for row in energy["layers"]:
        row["ann_mj"] = None
    edit(run_folder, "energy.json", layers=energy["layers"], ann_mj=None)
    with (run_folder / "metrics.jsonl").open("a") as lines:
        lines.write('{"step": 260, "epoch": 12, "split": "val", "loss": null, "accuracy": null}\n')
    html = write_report(run_folder).read_text(encoding="utf-8")
    assert "not comparable with its ANN twin" in html
    outline(html)


def test_layers_with_real_input_are_pointed_out(run_folder: Path) -> None:
    assert write_report(run_folder).read_text(encoding="utf-8").count('<em class="chip">real input</em>') == 2


def test_many_classes_become_a_picture_and_a_list(run_folder: Path) -> None:
    matrix = [[5 if i == j else int(i == 3 and j == 7) for j in range(40)] for i in range(40)]
    edit(run_folder, "analysis.json", confusion=matrix, classes=[f"class {i}" for i in range(40)])
    html = write_report(run_folder).read_text(encoding="utf-8")
    assert 'class="heat"' in html
    assert 'class="matrix"' not in html
    assert "<b>class 3</b> read as <b>class 7</b>" in html


def test_memory_levels_are_shown_where_they_were_assessed(run_folder: Path) -> None:
    assert "With memory" not in write_report(run_folder).read_text(encoding="utf-8")
    variants = [
        {"name": "SNN", "op_mj": 1e-3, "total_mj": {"dram": 0.5}, "assumption": "a"},
        {"name": "ANN", "op_mj": 5e-3, "total_mj": {"dram": 0.25}, "assumption": "b"},
    ]
    edit(run_folder, "energy.json", variants=variants, levels={"dram": 20.3}, verdict=["turned around"])
    html = write_report(run_folder).read_text(encoding="utf-8")
    assert "<b>1.00 µJ</b>" in html
    assert "<b>250 µJ</b>" in html
    assert "turned around" in html


def test_what_turns_the_verdict_around_is_drawn_and_tabled(run_folder: Path) -> None:
    assert "How rarely" not in write_report(run_folder).read_text(encoding="utf-8")
    pair = {"comparison": "SNN w8 / ANN int8", "snn_mj": 2.0, "ann_mj": 1.0, "snn_wins": False}
    cases = [
        {**pair, "assumption": "arithmetic only", "level": None, "snn_mj": 0.5, "snn_wins": True},
        {**pair, "assumption": "as given", "level": "dram"},
    ]
    names = [("SNN w8", "ANN int8"), ("SNN w8", "ANN w8a3"), ("SNN w8", "ANN w8a3 bit-serial")]
    rates = [
        {"snn": snn, "ann": ann, "steps": steps, "level": level, "rate": 0.5 / steps}
        for snn, ann in names for steps in (1, 4) for level in (None, "dram")
    ]  # fmt: skip
    variants = [{"name": "SNN", "op_mj": 1e-3, "total_mj": {"dram": 0.5}, "assumption": "a"}]
    edit(
        run_folder, "energy.json", variants=variants, levels={"dram": 20.3}, sensitivity=cases, break_even=rates,
        input_rate=0.1,
    )  # fmt: skip
    html = write_report(run_folder).read_text(encoding="utf-8")
    outline(html)
    assert html.count("measured rate") == 3
    assert html.count('<path class="curve level-1"') == 3
    assert '<td class="spiking">spiking 2×</td>' in html
    assert '<td class="analog">analog 2×</td>' in html


def test_files_that_contradict_each_other_are_refused(run_folder: Path) -> None:
    edit(
        run_folder, "analysis.json", raster={"image": [[0.0]], "target": 99, "prediction": 0, "layers": {}, "sizes": {}}
    )
    with pytest.raises(RunError, match="do not fit together"):
        write_report(run_folder)


def test_a_failed_report_leaves_the_old_one(run_folder: Path) -> None:
    old = write_report(run_folder).read_bytes()
    (run_folder / "energy.json").unlink()
    with pytest.raises(RunError):
        write_report(run_folder)
    assert (run_folder / "report.html").read_bytes() == old

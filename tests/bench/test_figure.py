from pathlib import Path

import pytest

from spikeformers.bench.figure import write_figure
from spikeformers.bench.record import RunError


def test_the_picture_is_drawn_and_always_the_same(run_folder: Path, tmp_path: Path) -> None:
    first, second = write_figure(run_folder, tmp_path / "a.png"), write_figure(run_folder, tmp_path / "b.png")
    assert first.read_bytes()[:4] == b"\x89PNG"
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize("name", ["a.svg", "a.pdf"])
def test_it_can_be_a_drawing(run_folder: Path, tmp_path: Path, name: str) -> None:
    assert write_figure(run_folder, tmp_path / name).stat().st_size > 1000


def test_other_endings_are_refused(run_folder: Path) -> None:
    with pytest.raises(RunError, match=r"must end in \.png"):
        write_figure(run_folder, "picture.bmp2")


def test_a_folder_that_is_not_there_is_named(run_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot write"):
        write_figure(run_folder, tmp_path / "nowhere" / "a.png")

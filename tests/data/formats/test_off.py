from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import DataError
from spikeformers.data.formats.off import parse_off, read_off, write_off

BODY = b"0 0 0\n1 0 0\n1 1 0\n0 1 0\n3 0 1 2\n4 0 1 2 3\n"


@pytest.mark.parametrize(
    "head",
    [
        b"OFF\n4 2 0\n",
        b"OFF4 2 0\n",  # as broken files of ModelNet have it
        b"OFF 4 2\n",
        b"# a comment\n\nOFF # another\n\n4 2 6\n\n",
        b"OFF\r\n4 2 0\r\n",
    ],
)
def test_headers_met_in_the_wild_give_the_same_mesh(head: bytes) -> None:
    mesh = parse_off(head + BODY, "a.off")
    assert mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]
    assert mesh.faces.tolist() == [[0, 1, 2], [0, 1, 2], [0, 2, 3]]


def test_colors_of_vertices_and_faces_are_passed_over() -> None:
    mesh = parse_off(b"COFF\n3 1 0\n0 0 0 9 9 9 255\n1 0 0 9 9 9 255\n0 1 0 9 9 9 255\n3 0 1 2 255 0 0\n", "a.off")
    assert mesh.vertices.shape == (3, 3)
    assert mesh.faces.tolist() == [[0, 1, 2]]


def test_a_mesh_survives_its_file(tmp_path: Path) -> None:
    mesh = parse_off(b"OFF\n4 2 0\n" + BODY, "a.off")
    write_off(tmp_path / "a.off", mesh)
    again = read_off(tmp_path / "a.off")
    assert torch.equal(again.vertices, mesh.vertices)
    assert torch.equal(again.faces, mesh.faces)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "does not start with OFF"),
        (b"PLY\n", "does not start with OFF"),
        (b"OFF BINARY\n\x00", "binary OFF"),
        (b"OFF\n", "ends after its header"),
        (b"OFF\n4\n", "line 2: b'4' does not give the numbers"),
        (b"OFF\n4 2 0\n" + BODY[:-10], "cut off after line 7: 4 vertices and 2 faces are announced, but only 5"),
        (b"OFF\n4 2 0\n" + BODY.replace(b"1 1 0", b"1 x 0"), "line 5: b'1 x 0' is not a line of numbers"),
        (b"OFF\n4 2 0\n" + BODY.replace(b"1 1 0", b"1 1"), "line 5: 2 numbers where the lines before have 3"),
        (b"OFF\n4 2 0\n" + BODY.replace(b"4 0 1 2 3", b"4 0 1 2"), "line 8: a face of 4 corners with 3 numbers"),
        (b"OFF\n4 2 0\n" + BODY.replace(b"3 0 1 2", b"3 0 1 7"), r"triangle 0 has the vertices \[0, 1, 7\]"),
        (b"OFF\n4 2 0\n" + BODY.replace(b"1 1 0", b"1 nan 0"), "vertex 2 is not finite"),
    ],
)
def test_damaged_files_are_refused_with_the_place(data: bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"a\.off.*{message}"):
        parse_off(data, "a.off")

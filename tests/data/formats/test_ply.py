import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.datasets.meshes import ARCHIVE, DEBIAN_CGAL
from spikeformers.data.formats.ply import ply_mesh, ply_points, read_ply

HEAD = """ply
format {} 1.0
comment made up
element vertex 4
property float x
property float y
property double z
property uchar red
element face 2
property list uchar int vertex_indices
property short label
end_header
"""
VERTICES = [(0, 0, 0.5, 9), (1, 0, 0.5, 8), (1, 1, 0.5, 7), (0, 1, 0.5, 6)]


def made(order: str, faces: list[list[int]]) -> bytes:
    if order == "ascii":
        lines = [" ".join(map(str, v)) for v in VERTICES]
        lines += [" ".join(map(str, [len(f), *f, -5])) for f in faces]
        return HEAD.format(order).encode() + ("\n".join(lines) + "\n").encode()
    mark = "<" if "little" in order else ">"
    body = b"".join(struct.pack(f"{mark}ffdB", *v) for v in VERTICES)
    body += b"".join(struct.pack(f"{mark}B{len(f)}ih", len(f), *f, -5) for f in faces)
    return HEAD.format(order).encode() + body


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian", "binary_big_endian"])
@pytest.mark.parametrize("faces", [[[0, 1, 2], [0, 2, 3]], [[0, 1, 2, 3], [0, 2, 3]], [[0, 1, 2], [3, 0, 1, 2]]])
def test_all_three_forms_hold_the_same(order: str, faces: list[list[int]], tmp_path: Path) -> None:
    path = tmp_path / "a.ply"
    path.write_bytes(made(order, faces))
    found = read_ply(path)
    assert [face.tolist() for face in found["face"]["vertex_indices"]] == faces
    assert np.asarray(found["face"]["label"]).tolist() == [-5, -5]
    places, extra = ply_points(path, "red")
    assert places.tolist() == [list(v[:3]) for v in VERTICES]
    assert extra["red"].tolist() == [9, 8, 7, 6]
    assert len(ply_mesh(path).faces) == sum(len(face) - 2 for face in faces)


@pytest.mark.parametrize("order", ["ascii", "binary_little_endian"])
@pytest.mark.parametrize("faces", [[[0, 1, 2], [0, 2, 3]], [[0, 1, 2], [3, 0, 1, 2]]])
def test_every_cut_is_refused(order: str, faces: list[list[int]], tmp_path: Path) -> None:
    whole = made(order, faces)
    start = whole.index(b"end_header\n") + len(b"end_header\n")
    for end in range(start, len(whole) - (4 if order == "ascii" else 1), 3):
        (tmp_path / "a.ply").write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"a\.ply"):
            read_ply(tmp_path / "a.ply")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (b"ply\n", b"pli\n", "it is no PLY file"),
        (b"float x", b"quad x", "line 5: 'property quad x' is not understood"),
        (b"vertex 4", b"vertex four", "line 4"),
        (b"1 0 0.5 8", b"1 zero 0.5 8", "line 14: b'1 zero 0.5 8' is no entry of the element vertex"),
        (b"float x", b"float u", "the element vertex lacks x; it has u, y, z, red"),
    ],
)
def test_damaged_files_are_refused_with_the_place(old: bytes, new: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "a.ply").write_bytes(made("ascii", [[0, 1, 2], [0, 2, 3]]).replace(old, new))
    with pytest.raises(DataError, match=rf"a\.ply.*{message}"):
        ply_points(tmp_path / "a.ply")


def test_a_cloud_is_no_surface(tmp_path: Path) -> None:
    text = made("ascii", [[0, 1, 2], [0, 2, 3]]).replace(b"vertex_indices", b"something")
    (tmp_path / "a.ply").write_bytes(text)
    with pytest.raises(DataError, match="a cloud and no surface"):
        ply_mesh(tmp_path / "a.ply")


def test_real_files_are_read_in_text_and_binary(tmp_path: Path) -> None:
    archive = Path(DEBIAN_CGAL) / ARCHIVE
    if not archive.exists():
        pytest.skip("needs Debian's package libcgal-demo")
    with tarfile.open(archive) as packed:
        for name in ("meshes/sphere.ply", "points_3/b9_training.ply"):
            packed.extract(f"data/{name}", tmp_path, filter="data")
    sphere = ply_mesh(tmp_path / "data/meshes/sphere.ply")
    assert (len(sphere.vertices), len(sphere.faces)) == (162, 320)
    places, extra = ply_points(tmp_path / "data/points_3/b9_training.ply", "label")
    assert len(places) == 22300
    assert len(np.unique(extra["label"])) == 4  # three classes, and points without one

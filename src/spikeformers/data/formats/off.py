"""OFF meshes as text: OFF, COFF and NOFF, comments, and the header "OFF490 518 0" of ModelNet's broken files.

Source: Geomview manual, "OFF Files"; modelnet.cs.princeton.edu.
"""

import re
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import DataError
from spikeformers.data.points.mesh import Mesh, fan, make_mesh

HEADER = re.compile(rb"(?:ST)?C?N?OFF")
"""Vertices may carry texture, color and normal; their position comes first."""

Line = tuple[int, bytes]


def read_off(path: Path) -> Mesh:
    """A mesh from a file; faces of more than three corners become triangles.

    Raises:
        DataError: as `parse_off`, or the file cannot be read.
    """
    try:
        return parse_off(path.read_bytes(), str(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None


def parse_off(data: bytes, origin: str) -> Mesh:
    """A mesh from the bytes of a file.

    Raises:
        DataError: not an OFF file, or cut off, or a number is none; names the line.
    """
    lines = [
        (number, text)
        for number, raw in enumerate(data.splitlines(), start=1)
        if (text := raw.split(b"#", 1)[0].strip())
    ]
    header = HEADER.match(lines[0][1]) if lines else None
    if header is None:
        raise DataError(f"{origin}: does not start with OFF, so it is no OFF mesh")
    rest = lines[0][1][header.end() :].strip()
    if rest.upper().startswith(b"BINARY"):
        raise DataError(f"{origin}: a binary OFF file, which is not supported; save it as text")
    body = [(lines[0][0], rest), *lines[1:]] if rest else lines[1:]
    if not body:
        raise DataError(f"{origin}: the file ends after its header")
    counts = _numbers(body[0], origin)
    if len(counts) < 2 or min(counts) < 0:
        raise DataError(f"{origin} line {body[0][0]}: {body[0][1]!r} does not give the numbers of vertices and faces")
    vertex_count, face_count = int(counts[0]), int(counts[1])
    found = len(body) - 1
    if found < vertex_count + face_count:
        raise DataError(
            f"{origin}: cut off after line {body[-1][0]}: {vertex_count} vertices and {face_count} faces are announced, "
            f"but only {found} lines follow"
        )
    vertices = _table(body[1 : 1 + vertex_count], origin)
    if vertex_count and vertices.shape[1] < 3:
        raise DataError(f"{origin} line {body[1][0]}: {vertices.shape[1]} coordinates, wanted 3")
    faces = _faces(body[1 + vertex_count : 1 + vertex_count + face_count], origin)
    return make_mesh(torch.from_numpy(vertices[:, :3].copy()), torch.from_numpy(faces), origin)


def _table(lines: list[Line], origin: str) -> np.ndarray:
    """Lines of equally many numbers as an array, in one go; a bad line is looked for only where that fails."""
    if not lines:
        return np.empty((0, 3))
    width = len(lines[0][1].split())
    try:
        return np.array(b" ".join(text for _, text in lines).split(), dtype=np.float64).reshape(len(lines), width)
    except ValueError:
        rows = [_numbers(line, origin) for line in lines]
    short = next(line for line, row in zip(lines, rows, strict=True) if len(row) != width)
    raise DataError(f"{origin} line {short[0]}: {len(short[1].split())} numbers where the lines before have {width}")


def _faces(lines: list[Line], origin: str) -> np.ndarray:
    tokens = b" ".join(text for _, text in lines).split()
    if len(tokens) == 4 * len(lines) and all(token == b"3" for token in tokens[::4]):
        try:
            return np.array(tokens, dtype=np.int64).reshape(len(lines), 4)[:, 1:].copy()
        except ValueError:
            pass  # the slow way finds the line
    triangles: list[tuple[int, int, int]] = []
    for line in lines:
        row = _numbers(line, origin)
        corners = int(row[0])
        if len(row) < corners + 1 or corners < 1:
            raise DataError(f"{origin} line {line[0]}: a face of {corners} corners with {len(row) - 1} numbers")
        triangles.extend(fan([int(value) for value in row[1 : corners + 1]]))
    return np.array(triangles, dtype=np.int64).reshape(-1, 3)


def _numbers(line: Line, origin: str) -> list[float]:
    try:
        return [float(token) for token in line[1].split()]
    except ValueError:
        raise DataError(f"{origin} line {line[0]}: {line[1][:40]!r} is not a line of numbers") from None


def write_off(path: Path, mesh: Mesh) -> None:
    """Write a mesh as text."""
    lines = ["OFF", f"{len(mesh.vertices)} {len(mesh.faces)} 0"]
    lines += [" ".join(f"{value:.9g}" for value in row) for row in mesh.vertices.tolist()]
    lines += ["3 " + " ".join(map(str, row)) for row in mesh.faces.tolist()]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")

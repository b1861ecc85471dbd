"""PLY: elements with named properties, as text or binary of either byte order. Source: G. Turk, "The PLY polygon file format", 1994."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError
from spikeformers.data.points.mesh import Mesh, fan, make_mesh

TYPES = {
    **dict.fromkeys(("char", "int8"), "i1"),
    **dict.fromkeys(("uchar", "uint8"), "u1"),
    **dict.fromkeys(("short", "int16"), "i2"),
    **dict.fromkeys(("ushort", "uint16"), "u2"),
    **dict.fromkeys(("int", "int32"), "i4"),
    **dict.fromkeys(("uint", "uint32"), "u4"),
    **dict.fromkeys(("float", "float32"), "f4"),
    **dict.fromkeys(("double", "float64"), "f8"),
}
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}

Columns = Mapping[str, np.ndarray | list[np.ndarray]]
"""Property → one number, or one array, for each entry of the element."""


@dataclass(frozen=True)
class Property:
    """A property: its numpy type and, for a list, the type of its length."""

    name: str
    kind: str
    length: str | None = None


@dataclass(frozen=True)
class Element:
    """An element: how many entries, and of which properties."""

    name: str
    count: int
    properties: tuple[Property, ...]


def read_ply(path: Path) -> dict[str, Columns]:
    """All elements of a file.

    Raises:
        DataError: no PLY file, a type that is not known, or cut off; names the place.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    order, elements, at = _header(data, path)
    body = _Text(data, at, path) if order == "" else _Binary(data, at, order, path)
    return {element.name: body.element(element) for element in elements}


def ply_points(path: Path, *extra: str) -> tuple[Tensor, dict[str, np.ndarray]]:
    """Positions [N, 3] of the element vertex, and its properties named in `extra`.

    Raises:
        DataError: as `read_ply`, or one of them is missing.
    """
    vertices = read_ply(path).get("vertex", {})
    found = {name: values for name in ("x", "y", "z", *extra) if isinstance(values := vertices.get(name), np.ndarray)}
    missing = [name for name in ("x", "y", "z", *extra) if name not in found]
    if missing:
        raise DataError(
            f"{path}: the element vertex lacks {', '.join(missing)}; it has {', '.join(vertices) or 'nothing'}"
        )
    places = np.stack([found[axis].astype(np.float64) for axis in "xyz"], 1)
    return torch.from_numpy(places), {name: found[name] for name in extra}


def ply_mesh(path: Path) -> Mesh:
    """The surface of a file; faces of more than three corners become triangles.

    Raises:
        DataError: as `ply_points`, or there are no faces.
    """
    places, _ = ply_points(path)
    faces = read_ply(path).get("face", {})
    corners = next((faces[name] for name in ("vertex_indices", "vertex_index") if name in faces), None)
    if not isinstance(corners, list):
        raise DataError(f"{path}: no lists of vertices for its faces, so it is a cloud and no surface")
    triangles = [triangle for face in corners for triangle in fan(face.astype(np.int64).tolist())]
    return make_mesh(places, torch.tensor(triangles, dtype=torch.int64).reshape(-1, 3), str(path))


def _header(data: bytes, path: Path) -> tuple[str, list[Element], int]:
    end = data.find(b"end_header")
    if not data.startswith(b"ply") or end < 0:
        raise DataError(f"{path}: does not start with ply, or has no end_header; it is no PLY file")
    after = data.find(b"\n", end)
    order: str | None = None
    elements: list[Element] = []
    for number, line in enumerate(data[:end].decode("latin1").splitlines(), start=1):
        words = line.split()
        if not words or words[0] in ("ply", "comment", "obj_info"):
            continue
        try:
            if words[0] == "format":
                order = ORDERS[words[1]]
            elif words[0] == "element":
                elements.append(Element(words[1], int(words[2]), ()))
            elif words[0] == "property":
                last = elements.pop()
                elements.append(Element(last.name, last.count, (*last.properties, _property(words))))
            else:
                raise ValueError
        except (KeyError, IndexError, ValueError):
            raise DataError(f"{path} line {number}: {line.strip()!r} is not understood") from None
    if order is None or after < 0:
        raise DataError(f"{path}: the header names no format, or the file ends with it")
    return order, elements, after + 1


def _property(words: list[str]) -> Property:
    if words[1] == "list":
        return Property(words[4], TYPES[words[3]], TYPES[words[2]])
    return Property(words[2], TYPES[words[1]])


class _Text:
    """The entries of a text file, one a line."""

    def __init__(self, data: bytes, at: int, path: Path) -> None:
        self._lines, self._next, self._path = data[at:].split(b"\n"), 0, path
        self._before = data[:at].count(b"\n")

    def element(self, element: Element) -> Columns:
        lines = self._lines[self._next : self._next + element.count]
        if len(lines) < element.count or any(not line.strip() for line in lines[-1:]):
            raise DataError(f"{self._path}: cut off: fewer than {element.count} lines for the element {element.name}")
        first = self._before + self._next + 1
        self._next += element.count
        table = _table(lines, element)
        if table is not None:
            return {prop.name: table[:, i].astype(prop.kind) for i, prop in enumerate(element.properties)}
        rows = [self._row(line, element, first + i) for i, line in enumerate(lines)]
        out: dict[str, np.ndarray | list[np.ndarray]] = {}
        for i, prop in enumerate(element.properties):
            column = [row[i] for row in rows]
            out[prop.name] = column if prop.length else np.array(column, dtype=prop.kind)
        return out

    def _row(self, line: bytes, element: Element, number: int) -> list[np.ndarray]:
        tokens, at, out = line.split(), 0, []
        try:
            for prop in element.properties:
                length = int(tokens[at]) if prop.length else 1
                at += 1 if prop.length else 0
                values = np.array(tokens[at : at + length], dtype=np.float64)
                if len(values) != length:
                    raise ValueError
                out.append(values.astype(prop.kind) if prop.length else values[0])
                at += length
        except (ValueError, IndexError):
            raise DataError(
                f"{self._path} line {number}: {line[:40]!r} is no entry of the element {element.name}"
            ) from None
        return out


def _table(lines: list[bytes], element: Element) -> np.ndarray | None:
    """Entries without lists in one go; None where that fails and the lines have to be looked at one by one."""
    if any(prop.length for prop in element.properties):
        return None
    try:
        return np.array(b" ".join(lines).split(), dtype=np.float64).reshape(len(lines), len(element.properties))
    except ValueError:
        return None


class _Binary:
    """The entries of a binary file, one behind the other."""

    def __init__(self, data: bytes, at: int, order: str, path: Path) -> None:
        self._data, self._at, self._order, self._path = data, at, order, path

    def element(self, element: Element) -> Columns:
        lengths = self._first_lengths(element)
        packed = self._packed(element, lengths)
        if packed is None:
            return self._one_by_one(element)
        self._at += packed.nbytes
        names = [f"{prop.name} length" if prop.length else None for prop in element.properties]
        out: dict[str, np.ndarray | list[np.ndarray]] = {}
        for prop, length_name in zip(element.properties, names, strict=True):
            values = packed[prop.name]
            out[prop.name] = list(values) if length_name else values.astype(prop.kind)
        return out

    def _first_lengths(self, element: Element) -> dict[str, int]:
        """Length of each list in the first entry."""
        at, out = self._at, {}
        for prop in element.properties if element.count else ():
            if prop.length:
                out[prop.name] = int(self._number(prop.length, at, element))
                at += np.dtype(prop.length).itemsize
            at += np.dtype(prop.kind).itemsize * out.get(prop.name, 1)
        return out

    def _packed(self, element: Element, lengths: dict[str, int]) -> np.ndarray | None:
        """All entries at once, if every list is as long as in the first one."""
        fields: list[tuple[str, str] | tuple[str, str, tuple[int]]] = []
        for prop in element.properties:
            if prop.length:
                fields.append((f"{prop.name} length", self._order + prop.length))
                fields.append((prop.name, self._order + prop.kind, (lengths.get(prop.name, 0),)))
            else:
                fields.append((prop.name, self._order + prop.kind))
        kind = np.dtype(fields)
        if self._at + element.count * kind.itemsize > len(self._data):
            if lengths:
                return None  # lists may only get shorter
            raise DataError(
                f"{self._path}: cut off at its byte {len(self._data)}, inside the element {element.name} "
                f"of {element.count} entries"
            )
        found = np.frombuffer(self._data, kind, element.count, self._at)
        same = all((found[f"{name} length"] == length).all() for name, length in lengths.items())
        return found if same else None

    def _one_by_one(self, element: Element) -> Columns:
        out: dict[str, list[np.ndarray]] = {prop.name: [] for prop in element.properties}
        for _ in range(element.count):
            for prop in element.properties:
                length = 1
                if prop.length:
                    length = int(self._number(prop.length, self._at, element))
                    self._at += np.dtype(prop.length).itemsize
                size = length * np.dtype(prop.kind).itemsize
                if length < 0 or self._at + size > len(self._data):
                    raise self._short(element)
                out[prop.name].append(np.frombuffer(self._data, self._order + prop.kind, length, self._at))
                self._at += size
        return {
            prop.name: out[prop.name] if prop.length else np.concatenate(out[prop.name]) for prop in element.properties
        }

    def _number(self, kind: str, at: int, element: Element) -> np.generic:
        if at + np.dtype(kind).itemsize > len(self._data):
            raise self._short(element)
        number: np.generic = np.frombuffer(self._data, self._order + kind, 1, at)[0]
        return number

    def _short(self, element: Element) -> DataError:
        return DataError(f"{self._path}: cut off or damaged near byte {self._at}, inside the element {element.name}")

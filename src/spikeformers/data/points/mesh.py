"""Surfaces made of triangles, and points drawn from them."""

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import DataError


@dataclass(frozen=True)
class Mesh:
    """Triangles in space.

    Attributes:
        vertices: positions [V, 3], float64.
        faces: the three vertices of each triangle [F, 3], int64.
    """

    vertices: Tensor
    faces: Tensor

    @cached_property
    def areas(self) -> Tensor:
        """Area of each triangle [F]."""
        a, b, c = self.vertices[self.faces].unbind(1)
        return torch.linalg.cross(b - a, c - a).norm(dim=1) / 2

    @cached_property
    def area_up_to(self) -> Tensor:
        """Area of each triangle and all before it [F]."""
        return self.areas.cumsum(0)


def make_mesh(vertices: Tensor, faces: Tensor, origin: str) -> Mesh:
    """A mesh that is checked.

    Args:
        vertices: [V, 3].
        faces: [F, 3].
        origin: file, for messages.

    Raises:
        DataError: there is no face, a face names a vertex that does not exist, or a position is not finite.
    """
    if not len(vertices) or not len(faces):
        raise DataError(f"{origin}: {len(vertices)} vertices and {len(faces)} faces; a surface needs some of both")
    wrong = (~torch.isfinite(vertices).all(1)).nonzero().flatten()
    if len(wrong):
        raise DataError(f"{origin}: vertex {int(wrong[0])} is not finite (NaN or infinite)")
    wrong = ((faces < 0) | (faces >= len(vertices))).any(1).nonzero().flatten()
    if len(wrong):
        first = int(wrong[0])
        raise DataError(
            f"{origin}: triangle {first} has the vertices {faces[first].tolist()}, but there are 0 … {len(vertices) - 1}"
        )
    return Mesh(vertices.to(torch.float64), faces.to(torch.int64))


def fan(polygon: list[int]) -> list[tuple[int, int, int]]:
    """A polygon of n vertices as n - 2 triangles around its first."""
    return [(polygon[0], polygon[i], polygon[i + 1]) for i in range(1, len(polygon) - 1)]


def sample_surface(mesh: Mesh, count: int, generator: Generator, origin: str) -> Tensor:
    r"""Points [count, 3] (float32) spread evenly over the surface.

    A triangle is drawn in proportion to its area; in it $(1-\sqrt{r_1})a + \sqrt{r_1}(1-r_2)b + \sqrt{r_1}r_2c$ with
    uniform $r_1, r_2$ is uniform. Source: Osada et al., "Shape distributions", ACM TOG 21(4), 2002.

    Raises:
        DataError: the surface has no area.
    """
    heights = mesh.area_up_to
    if not heights[-1] > 0:
        raise DataError(f"{origin}: all {len(mesh.faces)} triangles have no area, so no point can be drawn")
    draws = torch.rand(3, count, generator=generator, dtype=torch.float64)
    chosen = torch.searchsorted(heights, draws[0] * heights[-1], right=True).clamp_(max=len(heights) - 1)
    a, b, c = mesh.vertices[mesh.faces[chosen]].unbind(1)
    root, second = draws[1].sqrt().unsqueeze(1), draws[2].unsqueeze(1)
    return ((1 - root) * a + root * (1 - second) * b + root * second * c).to(torch.float32)

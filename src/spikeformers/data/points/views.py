"""From a cloud of points to what a model takes: the points themselves, or slices of an occupancy grid as time steps."""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry

VIEWS: Registry["ViewConfig"] = Registry("point view", "spikeformers.data.points")

AXES = {"x": (0, 2, 1), "y": (1, 2, 0), "z": (2, 1, 0)}
"""Axis of the slices → columns that become T, H and W."""


@dataclass(frozen=True, kw_only=True)
class ViewConfig(Config):
    """Abstract: clouds [n, N, C], positions first and inside the unit ball, to inputs."""

    registry: ClassVar = VIEWS

    def shape(self, count: int, channels: int) -> tuple[int, ...]:
        """Shape of one input for clouds of `count` points with `channels` numbers each."""
        raise NotImplementedError

    def view(self, clouds: Tensor) -> Tensor:
        """Inputs [n, ...] of clouds [n, N, C]."""
        raise NotImplementedError


@VIEWS.register("points")
@dataclass(frozen=True, kw_only=True)
class Points(ViewConfig):
    """The points as they are, [N, C]."""

    def shape(self, count: int, channels: int) -> tuple[int, ...]:
        return (count, channels)

    def view(self, clouds: Tensor) -> Tensor:
        return clouds


@VIEWS.register("slices")
@dataclass(frozen=True, kw_only=True)
class Slices(ViewConfig):
    """Occupancy of a grid over [-1, 1]³, its slices along one axis as time steps: [T, 1, H, W] of zeros and ones.

    Of the two axes of a slice the later in x, y, z is H. A point on the border or beyond belongs to the nearest cell.
    """

    steps: int = 8
    """Slices T."""
    size: int = 32
    """Cells along H and W."""
    axis: Literal["x", "y", "z"] = "z"
    """The axis along which time runs."""

    def __post_init__(self) -> None:
        for name in ("steps", "size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")

    def shape(self, count: int, channels: int) -> tuple[int, ...]:
        return (self.steps, 1, self.size, self.size)

    def view(self, clouds: Tensor) -> Tensor:
        places = clouds[..., list(AXES[self.axis])]
        cells = torch.tensor([self.steps, self.size, self.size])
        where = ((places + 1) / 2 * cells).floor().long()
        where = where.clamp_(min=torch.zeros_like(cells), max=cells - 1)
        grid = torch.zeros(len(clouds), self.steps, 1, self.size, self.size)
        sample = torch.arange(len(clouds)).unsqueeze(1)
        grid[sample, where[..., 0], 0, where[..., 1], where[..., 2]] = 1.0
        return grid

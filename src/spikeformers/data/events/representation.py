"""From events to tensors [T, P, H, W]. Every event of a recording is counted; an empty one gives zeros.

A recording is cut into T slices, by time or by number of events; what does not divide goes to the last slice.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.data.events.array import check_within

REPRESENTATIONS: Registry["RepresentationConfig"] = Registry("representation", "spikeformers.data.events")

Cut = Literal["time", "count"]
"""Slices of equal duration, or of an equal number of events."""


@dataclass(frozen=True, kw_only=True)
class RepresentationConfig(Config):
    """Abstract: events to a tensor [T, P, H, W]."""

    registry: ClassVar = REPRESENTATIONS

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        """(T, P, H, W) for a sensor of this size."""
        raise NotImplementedError

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        """The tensor.

        Raises:
            DataError: an event lies outside the sensor.
        """
        raise NotImplementedError


@REPRESENTATIONS.register(
    "frames", source="Fang et al., Science Advances 2023; fangwei123456/spikingjelly (integrators)"
)
@dataclass(frozen=True, kw_only=True)
class Frames(RepresentationConfig):
    """Event counts per slice, polarity and pixel; the sum over everything is the number of events."""

    steps: int = 10
    """Slices T."""
    by: Cut = "time"
    """Cut into slices of equal duration (time) or of an equal number of events (count)."""

    def __post_init__(self) -> None:
        _check_steps(self.steps)

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        return (self.steps, 2, height, width)

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        from spikeformers.data.events.compiled import count_events

        check_within(events, height, width)
        out = np.zeros(self.shape(height, width), np.float32)
        x, y, p = columns(events, "x", "y", "p")
        count_events(x, y, p, cut(events["t"], self.steps, self.by), out)
        return torch.from_numpy(out)


@REPRESENTATIONS.register("voxel_grid", source="Zhu et al., CVPR 2019, arXiv:1812.08156")
@dataclass(frozen=True, kw_only=True)
class VoxelGrid(RepresentationConfig):
    r"""Signed events spread linearly over the two nearest of T planes.

    With $\tau_i=(T-1)(t_i-t_0)/(t_N-t_0)$, plane k is $\sum_i \pm\max(0, 1-|k-\tau_i|)$. Its sum is the number of
    positive less that of negative events.
    """

    steps: int = 5
    """Planes T."""

    def __post_init__(self) -> None:
        _check_steps(self.steps)

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        return (self.steps, 1, height, width)

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        from spikeformers.data.events.compiled import spread_events

        check_within(events, height, width)
        out = np.zeros(self.shape(height, width), np.float32)
        x, y, p = columns(events, "x", "y", "p")
        t = events["t"]
        duration = max(int(t[-1] - t[0]), 1) if len(t) else 1
        spread_events(x, y, p, (t - t[:1]) * ((self.steps - 1) / duration), out)
        return torch.from_numpy(out)


@REPRESENTATIONS.register("time_surface", source="Lagorce et al., TPAMI 2017 (HOTS)")
@dataclass(frozen=True, kw_only=True)
class TimeSurface(RepresentationConfig):
    r"""How recently each pixel fired: $\exp(-(t_k-t_{last})/\tau)$ at the end $t_k$ of each slice, 0 where it never did."""

    steps: int = 10
    """Slices T."""
    by: Cut = "time"
    """Cut into slices of equal duration (time) or of an equal number of events (count)."""
    tau_us: float = 30000.0
    """Time constant of the decay, in microseconds."""

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        if not self.tau_us > 0:
            raise ConfigError(f"tau_us={self.tau_us} must be above 0 microseconds")

    def shape(self, height: int, width: int) -> tuple[int, int, int, int]:
        return (self.steps, 2, height, width)

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        from spikeformers.data.events.compiled import decay_events

        check_within(events, height, width)
        out = np.zeros(self.shape(height, width), np.float32)
        if len(events):
            x, y, p = columns(events, "x", "y", "p")
            t = np.ascontiguousarray(events["t"])
            edges = cut(t, self.steps, self.by)
            decay_events(x, y, t, p, edges, slice_ends(t, edges, self.by), self.tau_us, out)
        return torch.from_numpy(out)


def cut(t: np.ndarray, steps: int, by: Cut) -> np.ndarray:
    """Edges of `steps` slices: slice s is the events edges[s] … edges[s + 1]. All events are in exactly one slice.

    Slices have floor(duration / steps) µs or floor(events / steps) events; the last takes what remains.
    """
    if by == "count" or len(t) == 0:
        inner = np.arange(1, steps) * (len(t) // steps)
    else:
        inner = np.searchsorted(t, t[0] + np.arange(1, steps) * (int(t[-1] - t[0]) // steps), side="left")
    return np.concatenate([[0], inner, [len(t)]]).astype(np.int64)


def slice_ends(t: np.ndarray, edges: np.ndarray, by: Cut) -> np.ndarray:
    """The time at which each slice ends: at even distances, or at its last event."""
    if by == "count":
        return t[np.maximum(edges[1:] - 1, 0)].astype(np.float64)
    steps = len(edges) - 1
    ends = t[0] + np.arange(1, steps + 1) * (int(t[-1] - t[0]) // steps)
    ends[-1] = t[-1]
    return ends.astype(np.float64)


def columns(events: np.ndarray, *names: str) -> list[np.ndarray]:
    """Fields as contiguous arrays, which the compiled loops run fastest over."""
    return [np.ascontiguousarray(events[name]) for name in names]


def rescale(events: np.ndarray, height: int, width: int, size: int) -> np.ndarray:
    """Events on a square of `size` pixels: coordinates are scaled and floored, so none is lost.

    The longer side fills the square; the shorter is centered.
    """
    if height == width == size:
        return events
    side = max(height, width)
    out = events.copy()
    for name, extent in (("x", width), ("y", height)):
        out[name] = (events[name].astype(np.int64) + (side - extent) // 2) * size // side
    return out


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"steps={steps} must be at least 1")

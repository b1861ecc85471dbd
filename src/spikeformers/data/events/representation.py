"""From events to tensors: frames [T, P, H, W] or a cloud of points [N, 4]. An empty recording gives zeros.

A recording is cut into T slices, by time or by number of events; what does not divide goes to the last slice, so that
every event is counted (unless it is asked to be dropped).
"""

from bisect import bisect_left
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
Rest = Literal["last", "drop"]
"""What does not divide goes to the last slice, or is dropped."""


@dataclass(frozen=True, kw_only=True)
class RepresentationConfig(Config):
    """Abstract: events to a tensor, [T, P, H, W] unless it says otherwise."""

    registry: ClassVar = REPRESENTATIONS

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        """Of the tensor, for a sensor of this size."""
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
    rest: Rest = "last"
    """What does not divide goes to the last slice (last, as SpikingJelly) or is left out (drop, as tonic)."""

    def __post_init__(self) -> None:
        _check_steps(self.steps)

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return (self.steps, 2, height, width)

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        return _counted(events, cut(events["t"], self.steps, self.by, self.rest), height, width)


@REPRESENTATIONS.register("adaptive_frames", source="Liu and Delbruck, BMVC 2018 (slices by area event number)")
@dataclass(frozen=True, kw_only=True)
class AdaptiveFrames(RepresentationConfig):
    """Event counts of slices that follow the action: short where much happens in one place, long where little does.

    A slice ends as soon as any square area has got n events, with n the smallest number that gives no more than T
    slices. Every event is counted.
    """

    steps: int = 10
    """Slices T; where a recording gives fewer, the last are zero."""
    area: int = 16
    """Side of the square areas, in pixels."""

    def __post_init__(self) -> None:
        _check_steps(self.steps)
        if self.area < 1:
            raise ConfigError(f"area={self.area} must be at least 1 pixel")

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return (self.steps, 2, height, width)

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        check_within(events, height, width)
        return _counted(events, self._edges(events, height, width), height, width)

    def _edges(self, events: np.ndarray, height: int, width: int) -> np.ndarray:
        from spikeformers.data.events.compiled import fill_areas

        inner = np.full(self.steps - 1, len(events), np.int64)
        grid = (self.area, -(-width // self.area), -(-height // self.area))

        def fits(most: int) -> bool:
            return fill_areas(events, *grid, most, np.zeros(0, np.int64)) <= self.steps

        most = 1 + bisect_left(range(1, len(events) + 1), True, key=fits)
        fill_areas(events, *grid, most, inner)
        return np.concatenate([[0], inner, [len(events)]]).astype(np.int64)


@REPRESENTATIONS.register("event_cloud", source="after Ren et al., ICLR 2024, arXiv:2310.07189 (SpikePoint)")
@dataclass(frozen=True, kw_only=True)
class EventCloud(RepresentationConfig):
    """Events as points [N, 4]: x, y and t in [0, 1], and polarity 1 or -1. Rows beyond the last event are zero.

    Of a recording with more events, every n-th is taken, evenly from first to last.
    """

    points: int = 1024
    """Points N."""

    def __post_init__(self) -> None:
        if self.points < 1:
            raise ConfigError(f"points={self.points} must be at least 1")

    def shape(self, height: int, width: int) -> tuple[int, ...]:
        return (self.points, 4)

    def represent(self, events: np.ndarray, height: int, width: int) -> Tensor:
        check_within(events, height, width)
        out = torch.zeros(self.points, 4)
        if not len(events):
            return out
        count = min(self.points, len(events))
        taken = events[np.arange(count) * len(events) // count]
        duration = max(int(events["t"][-1] - events["t"][0]), 1)
        place = (
            taken["x"] / max(width - 1, 1),
            taken["y"] / max(height - 1, 1),
            (taken["t"] - events["t"][0]) / duration,
        )
        out[:count] = torch.from_numpy(np.stack([*place, taken["p"] * 2.0 - 1.0], 1))
        return out


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

    def shape(self, height: int, width: int) -> tuple[int, ...]:
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

    def shape(self, height: int, width: int) -> tuple[int, ...]:
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


def cut(t: np.ndarray, steps: int, by: Cut, rest: Rest = "last") -> np.ndarray:
    """Edges of `steps` slices: slice s is the events edges[s] … edges[s + 1]. No event is in two slices.

    Slices have floor(duration / steps) µs or floor(events / steps) events; the last takes what remains, or it is dropped.
    """
    if by == "count" or len(t) == 0:
        edges = [place * (len(t) // steps) for place in range(steps + 1)]
    else:
        first, width = int(t[0]), int(t[-1] - t[0]) // steps
        edges = [0, *(bisect_left(t, first + place * width) for place in range(1, steps + 1))]
    if rest == "last":
        edges[-1] = len(t)
    return np.array(edges, np.int64)


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


def _counted(events: np.ndarray, edges: np.ndarray, height: int, width: int) -> Tensor:
    """Counts of the events of each slice [T, 2, H, W].

    Raises:
        DataError: an event lies outside the sensor.
    """
    from spikeformers.data.events.compiled import count_events

    out = np.zeros((len(edges) - 1, 2, height, width), np.float32)
    if count_events(events, edges, out) >= 0:
        check_within(events, height, width)
    return torch.from_numpy(out)


def _check_steps(steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"steps={steps} must be at least 1")

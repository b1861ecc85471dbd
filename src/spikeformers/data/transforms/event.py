"""Augmentation of event frames [B, T, P, H, W]; all frames of a sample are changed alike, polarities are kept."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.base import (
    AUGMENTS,
    AugmentConfig,
    Drawn,
    check_not_negative,
    check_probability,
    uniform,
)
from spikeformers.data.transforms.image import draw_erasing, erase, mirror, warp


@AUGMENTS.register("neuromorphic", source="Li et al., ECCV 2022, arXiv:2203.06145 (NDA)")
@dataclass(frozen=True, kw_only=True)
class Neuromorphic(AugmentConfig):
    """For event frames [B, T, P, H, W]: mirroring, then one of shift, rotation, shear or cutout, alike in all frames."""

    axes: ClassVar[tuple[int, ...]] = (4,)

    flip: float = 0.5
    """Probability that a sample is mirrored left to right; polarities stay as they are."""
    shift: float = 5.0
    """Largest shift, in pixels."""
    rotate: float = 30.0
    """Largest rotation, in degrees."""
    shear: float = 0.15
    """Largest shear, in pixels to the side for each pixel down."""

    def __post_init__(self) -> None:
        check_probability("flip", self.flip)
        for name in ("shift", "rotate", "shear"):
            check_not_negative(name, getattr(self, name))

    @property
    def mirrors(self) -> bool:
        return self.flip > 0

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        chosen = torch.randint(4, (count,), generator=generator)
        return {
            "flipped": torch.rand(count, generator=generator) < self.flip,
            "shift": uniform(generator, -self.shift, self.shift, count, 2) * (chosen == 0).unsqueeze(1),
            "angle": uniform(generator, -math.radians(self.rotate), math.radians(self.rotate), count) * (chosen == 1),
            "shear": uniform(generator, -self.shear, self.shear, count) * (chosen == 2),
            **{**draw_erasing(1.0, count, generator), "erased": chosen == 3},
        }

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        moved = warp(mirror(x, drawn["flipped"]), drawn["shift"], drawn["angle"], torch.ones(len(x)), drawn["shear"])
        return erase(moved, drawn["erased"], drawn["box"])


@AUGMENTS.register("event_drop", source="Gu et al., IJCAI 2021, arXiv:2106.05836 (EventDrop, by time and by area)")
@dataclass(frozen=True, kw_only=True)
class EventDrop(AugmentConfig):
    """For event frames [B, T, P, H, W]: nothing, a span of time steps, or a rectangle of pixels loses its events."""

    axes: ClassVar[tuple[int, ...]] = (4,)

    time: float = 0.34
    """Probability that a span of time steps is blanked."""
    area: float = 0.33
    """Probability that a rectangle is blanked instead."""
    longest: float = 0.5
    """Longest span, as a fraction of all time steps."""

    def __post_init__(self) -> None:
        for name in ("time", "area", "longest"):
            check_probability(name, getattr(self, name))
        if self.time + self.area > 1:
            raise ConfigError(
                f"time={self.time} and area={self.area} are probabilities of one choice; their sum is above 1"
            )

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        choice = torch.rand(count, generator=generator)
        return {
            "span": uniform(generator, 0.0, self.longest, count) * (choice < self.time),
            "start": torch.rand(count, generator=generator),
            **{
                **draw_erasing(1.0, count, generator),
                "erased": (choice >= self.time) & (choice < self.time + self.area),
            },
        }

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        place = (torch.arange(x.shape[1]) + 0.5) / x.shape[1]
        start = (drawn["start"] * (1 - drawn["span"])).unsqueeze(1)
        dropped = (place >= start) & (place < start + drawn["span"].unsqueeze(1))
        kept = x.masked_fill(dropped.view(*dropped.shape, *[1] * (x.dim() - 2)), 0.0)
        return erase(kept, drawn["erased"], drawn["box"])

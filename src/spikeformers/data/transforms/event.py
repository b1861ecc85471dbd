"""Augmentation of event frames [B, T, P, H, W]; all frames of a sample are changed alike."""

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
from spikeformers.data.transforms.image import draw_erasing, erase, mirror, per_sample, warp

POLARITIES = 2


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


@AUGMENTS.register("event_flip")
@dataclass(frozen=True, kw_only=True)
class EventFlip(AugmentConfig):
    """For event frames [B, T, P, H, W]: mirror images in space, in time and in sign, each as a camera would see it.

    A mirrored scene brightens where the scene did, so polarities stay; played backwards it darkens where it
    brightened, so they are swapped.
    """

    axes: ClassVar[tuple[int, ...]] = (4,)

    flip: float = 0.5
    """Probability that a sample is mirrored left to right."""
    upside_down: float = 0.0
    """Probability that a sample is mirrored top to bottom."""
    backwards: float = 0.0
    """Probability that a sample is played backwards, with polarities swapped."""
    negative: float = 0.0
    """Probability that polarities are swapped: the scene with light and dark exchanged."""

    def __post_init__(self) -> None:
        for name in ("flip", "upside_down", "backwards", "negative"):
            check_probability(name, getattr(self, name))

    @property
    def mirrors(self) -> bool:
        return self.flip > 0 or self.upside_down > 0

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        names = ("flip", "upside_down", "backwards", "negative")
        return {name: torch.rand(count, generator=generator) < getattr(self, name) for name in names}

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        if x.shape[2] != POLARITIES and (self.backwards > 0 or self.negative > 0):
            raise ConfigError(
                f"backwards and negative swap two polarities, but samples have P={x.shape[2]}; "
                "set both to 0 or choose representation frames"
            )
        x = mirror(x, drawn["flip"])
        x = torch.where(per_sample(drawn["upside_down"], x), x.flip(-2), x)
        x = torch.where(per_sample(drawn["backwards"], x), x.flip(1), x)
        return torch.where(per_sample(drawn["backwards"] ^ drawn["negative"], x), x.flip(2), x)


@AUGMENTS.register("event_jitter", source="after Lenz et al., neuromorphs/tonic (SpatialJitter)")
@dataclass(frozen=True, kw_only=True)
class EventJitter(AugmentConfig):
    """For event counts [B, T, P, H, W]: every single event moves by rounded Gaussian noise; none is lost.

    An event that would leave the frame stays where it was.
    """

    axes: ClassVar[tuple[int, ...]] = (4,)

    sigma: float = 1.0
    """Standard deviation of the movement along each axis, in pixels."""

    def __post_init__(self) -> None:
        check_not_negative("sigma", self.sigma)

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        return {"seed": torch.randint(1 << 62, (count,), generator=generator)}

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        counts = x.to(torch.int64)
        if not torch.equal(counts.to(x.dtype), x) or bool((counts < 0).any()):
            raise ConfigError("event_jitter moves single events and needs counts of them; choose representation frames")
        return torch.stack([self._moved(one, int(seed)) for one, seed in zip(counts, drawn["seed"], strict=True)]).to(x)

    def _moved(self, counts: Tensor, seed: int) -> Tensor:
        where = counts.nonzero().repeat_interleave(counts[counts > 0], 0)
        noise = torch.randn(len(where), 2, generator=Generator().manual_seed(seed)) * self.sigma
        moved = where.clone()
        moved[:, -2:] += noise.round().long()
        size = torch.tensor(counts.shape)
        outside = ((moved < 0) | (moved >= size)).any(1, keepdim=True)
        places = torch.where(outside, where, moved)
        strides = torch.tensor([size[i + 1 :].prod() for i in range(len(size))])
        return torch.bincount((places * strides).sum(1), minlength=counts.numel()).view(counts.shape)

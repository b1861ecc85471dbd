"""RandAugment for images [B, C, H, W] with values in [0, 1], a whole batch at a time."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.transforms.base import AUGMENTS, AugmentConfig, Drawn, check_probability
from spikeformers.data.transforms.image import draw_erasing, erase, mirror, per_sample, warp

LEVELS = 10
ROTATE, SHEAR, SHIFT = math.radians(30.0), 0.3, 0.45
"""What each operation does at the highest level: radians, pixels a pixel, fraction of the side."""
OPERATIONS = ("equalize", "rotate", "shear", "shift_x", "shift_y")
HISTOGRAM_BINS = 256


@AUGMENTS.register(
    "rand_augment", source="Cubuk et al., arXiv:1909.13719; the subset of operations that SNN recipes use"
)
@dataclass(frozen=True, kw_only=True)
class RandAugment(AugmentConfig):
    """Some random operations in sequence (equalize, rotate, shear, shift along x or y), mirroring, random erasing."""

    axes: ClassVar[tuple[int, ...]] = (3,)

    operations: int = 1
    """How many operations each sample gets."""
    magnitude: float = 9.0
    """Strength of the operations, 0 to 10; 10 is 30 degrees, a shear of 0.3, a shift of 0.45 of the side."""
    flip: float = 0.5
    """Probability that a sample is mirrored left to right."""
    erase: float = 0.25
    """Probability that a random rectangle of a sample is blanked (random erasing)."""

    def __post_init__(self) -> None:
        if self.operations < 1:
            raise ConfigError(f"operations={self.operations} must be at least 1")
        if not 0 <= self.magnitude <= LEVELS:
            raise ConfigError(f"magnitude={self.magnitude} must lie between 0 and {LEVELS}")
        check_probability("flip", self.flip)
        check_probability("erase", self.erase)

    @property
    def mirrors(self) -> bool:
        return self.flip > 0

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        return {
            "operation": torch.randint(len(OPERATIONS), (count, self.operations), generator=generator),
            "sign": torch.randint(0, 2, (count, self.operations), generator=generator) * 2.0 - 1.0,
            "flipped": torch.rand(count, generator=generator) < self.flip,
            **draw_erasing(self.erase, count, generator),
        }

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        strength = self.magnitude / LEVELS
        height, width = x.shape[-2:]
        for nth in range(self.operations):
            operation = drawn["operation"][:, nth]
            amount = drawn["sign"][:, nth] * strength
            on = {name: torch.where(operation == k, amount, 0.0) for k, name in enumerate(OPERATIONS)}
            shift = torch.stack([on["shift_x"] * SHIFT * width, on["shift_y"] * SHIFT * height], -1)
            moved = warp(x, shift, on["rotate"] * ROTATE, torch.ones(len(x)), on["shear"] * SHEAR)
            x = torch.where(per_sample(operation == OPERATIONS.index("equalize"), x), equalize(x), moved)
        return erase(mirror(x, drawn["flipped"]), drawn["erased"], drawn["box"])


def equalize(x: Tensor) -> Tensor:
    """Spread the values of each channel [B, C, H, W] so that its histogram becomes as even as it can be."""
    flat = x.flatten(2)
    level = (flat * (HISTOGRAM_BINS - 1)).round().long().clamp(0, HISTOGRAM_BINS - 1)
    counts = torch.zeros(*flat.shape[:2], HISTOGRAM_BINS).scatter_add_(2, level, torch.ones_like(flat))
    below = counts.cumsum(2)
    least = torch.where(counts > 0, below, torch.inf).amin(2, keepdim=True)
    span = flat.shape[2] - least
    table = torch.where(
        span > 0, ((below - least) / span.clamp(min=1)).clamp(min=0), torch.linspace(0, 1, HISTOGRAM_BINS)
    )
    return table.gather(2, level).view(x.shape)

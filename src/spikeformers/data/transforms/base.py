"""What every augmentation is: random numbers drawn for a batch, and a pure function of batch and numbers.

Drawing is separate from applying so that several processes can each augment their share of one batch exactly as a
single process would augment the whole.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry

AUGMENTS: Registry["AugmentConfig"] = Registry("augmentation", "spikeformers.data.transforms")

Drawn = Mapping[str, Tensor]
"""Named random numbers of a batch, each [B, ...]: row i belongs to sample i alone."""


@dataclass(frozen=True, kw_only=True)
class AugmentConfig(Config):
    """Abstract: a random change of training samples that keeps their labels."""

    registry: ClassVar = AUGMENTS
    axes: ClassVar[tuple[int, ...]] = (3, 4)
    """How many axes a sample may have: 2 for sequences [T, D], 3 for images [C, H, W], 4 for event frames [T, P, H, W]."""

    @property
    def mirrors(self) -> bool:
        """Whether samples may come out mirrored, which some datasets (digits, letters) must not be."""
        return False

    def draw(self, count: int, shape: torch.Size, generator: Generator) -> Drawn:
        """Random numbers for `count` samples, each shaped `shape`."""
        raise NotImplementedError

    def apply(self, x: Tensor, drawn: Drawn) -> Tensor:
        """The changed samples.

        Args:
            x: samples [B, ..., H, W] whose axes between B and H (channels, time) share their numbers, or [B, T, D].
            drawn: what `draw` gave, cut to these samples.
        """
        raise NotImplementedError


def uniform(generator: Generator, low: float, high: float, *shape: int) -> Tensor:
    """Uniform random numbers in [low, high)."""
    return torch.rand(*shape, generator=generator) * (high - low) + low


def check_probability(name: str, value: float) -> None:
    """Refuse what is no probability.

    Raises:
        ConfigError: `value` is outside [0, 1].
    """
    if not 0.0 <= value <= 1.0:
        raise ConfigError(f"{name}={value} is a probability; give a value from 0 to 1")


def check_not_negative(name: str, value: float) -> None:
    """Refuse a negative size.

    Raises:
        ConfigError: `value` is below 0 or not a number.
    """
    if not value >= 0:
        raise ConfigError(f"{name}={value} must be 0 (off) or above")

"""Cosine annealing."""

import math
from dataclasses import dataclass

from spikeformers.core.errors import ConfigError
from spikeformers.engine.schedule.base import SCHEDULES, ScheduleConfig


@SCHEDULES.register("cosine", source="Loshchilov and Hutter, ICLR 2017, arXiv:1608.03983")
@dataclass(frozen=True, kw_only=True)
class CosineConfig(ScheduleConfig):
    r"""Half a cosine from 1 down to `floor`: $f+(1-f)\,\frac{1+\cos\pi p}{2}$."""

    warmup: float = 0.05
    """Share of all steps in which the learning rate rises linearly from near 0 to its top."""
    floor: float = 0.01
    """Learning rate at the end, over that at the top."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.floor <= 1.0:
            raise ConfigError(f"floor={self.floor} must lie in [0, 1]")

    def after(self, progress: float) -> float:
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * min(1.0, progress))) / 2

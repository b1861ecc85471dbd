"""Learning-rate schedules, by name: pure functions of the step, so there is nothing to save and restore."""

from dataclasses import dataclass
from typing import ClassVar

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry

SCHEDULES: Registry["ScheduleConfig"] = Registry("schedule", "spikeformers.engine.schedule")


@dataclass(frozen=True, kw_only=True)
class ScheduleConfig(Config):
    """Abstract: the learning rate over a training."""

    registry: ClassVar = SCHEDULES

    warmup: float = 0.0
    """Share of all steps in which the learning rate rises linearly from near 0 to its top."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.warmup < 1.0:
            raise ConfigError(f"warmup={self.warmup} is a share of all steps; give a value in [0, 1)")

    def factor(self, step: int, total: int) -> float:
        """What the optimizer's learning rate is multiplied by.

        Args:
            step: optimizer steps done before this one.
            total: optimizer steps of the whole training.
        """
        rising = self.warmup * total
        if step < rising:
            return (step + 1) / (rising + 1)
        return self.after((step - rising) / max(1.0, total - rising))

    def after(self, progress: float) -> float:
        """The factor once warm-up is over, `progress` from 0 to 1."""
        raise NotImplementedError

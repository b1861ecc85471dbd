"""No annealing."""

from dataclasses import dataclass

from spikeformers.engine.schedule.base import SCHEDULES, ScheduleConfig


@SCHEDULES.register("constant")
@dataclass(frozen=True, kw_only=True)
class ConstantConfig(ScheduleConfig):
    """The same learning rate from warm-up to the end."""

    def after(self, progress: float) -> float:
        return 1.0

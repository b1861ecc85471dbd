"""Learning-rate schedules, by name."""

from spikeformers.engine.schedule.base import SCHEDULES, ScheduleConfig

__all__ = ["SCHEDULES", "ScheduleConfig"]

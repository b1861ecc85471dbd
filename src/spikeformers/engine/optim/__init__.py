"""Optimizers, by name."""

from spikeformers.engine.optim.base import OPTIMIZERS, OptimizerConfig, split_decay

__all__ = ["OPTIMIZERS", "OptimizerConfig", "split_decay"]

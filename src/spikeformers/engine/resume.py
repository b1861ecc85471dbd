"""Exact resume: where a run stands, and how that is saved and taken up again.

Nothing that happens in a step depends on how the run got there: order and augmentation of the data, the learning rate
and every random draw are pure functions of the seed and the position. What remains to be saved are weights, optimizer,
average, position and the sums behind the rows of `metrics.jsonl`.
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from spikeformers.core.errors import CheckpointError, ConfigError
from spikeformers.core.rng import generator, seed_everything
from spikeformers.engine.average import WeightAverage
from spikeformers.engine.config import RunConfig
from spikeformers.models.base import load_strictly
from spikeformers.tasks.base import Task

TRAINING, EVALUATION = 10, 11
"""What random numbers are drawn for; the loader has streams 0 and 1 of the same seed."""


def seed_position(seed: int, *position: int) -> None:
    """Seed every global generator with a pure function of where the run stands."""
    seed_everything(generator(seed, *position).initial_seed())


@dataclass
class Progress:
    """Where a run stands.

    Attributes:
        epoch, batch: the next batch to train on.
        step: optimizer steps done.
        best: merit of the best validation so far, None before the first.
        best_epoch: when that was.
        stale: epochs since.
        seconds: time spent training, over all attempts.
        stopped: whether patience ended the run.
        rows: all rows of `metrics.jsonl`.
        sums: of the metrics of the epoch under way, by kind.
        skipped: names of training samples that could not be read.
    """

    epoch: int = 0
    batch: int = 0
    step: int = 0
    best: tuple[float, float] | None = None
    best_epoch: int = -1
    stale: int = 0
    seconds: float = 0.0
    stopped: bool = False
    rows: list[dict[str, Any]] = field(default_factory=list)
    sums: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}

    def improved(self, merit: tuple[float, float]) -> bool:
        """Take in a validation: a higher merit is better; its second part decides between equals of the first."""
        better = self.best is None or merit > tuple(self.best)
        if better:
            self.best, self.best_epoch, self.stale = merit, self.epoch, 0
        else:
            self.stale += 1
        return better

    def finished(self, config: RunConfig) -> bool:
        """Whether there is nothing left to train."""
        return self.stopped or self.epoch >= config.train.epochs


def snapshot(
    config: RunConfig, task: Task, optimizer: Optimizer, average: WeightAverage | None, progress: Progress
) -> dict[str, Any]:
    """Everything that `take_up` needs, in tensors and plain types."""
    return {
        "config": config.to_dict(),
        "model": task.model.state_dict(),
        "encoder": task.encoder.state_dict(),
        "average": None if average is None else average.state(),
        "optimizer": optimizer.state_dict(),
        "progress": progress.plain(),
    }


def progress_of(state: dict[str, Any]) -> Progress:
    """The position in a checkpoint.

    Raises:
        CheckpointError: it is not one.
    """
    try:
        return Progress(**state["progress"])
    except TypeError as error:
        raise CheckpointError(f"the checkpoint's progress cannot be read ({error}); restore it from a copy") from None


def take_up(state: dict[str, Any], task: Task, optimizer: Optimizer | None, average: WeightAverage | None) -> None:
    """Put the weights, the optimizer and the average of a checkpoint into place.

    Raises:
        CheckpointError: they do not fit.
    """
    load_module(task.model, state["model"])
    load_module(task.encoder, state["encoder"])
    try:
        if optimizer is not None:
            optimizer.load_state_dict(state["optimizer"])
        if average is not None:
            average.restore(state["average"])
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(f"the checkpoint does not fit this run ({error}); restore it from a copy") from None


def load_module(module: nn.Module, tensors: Any) -> None:
    """Load a module's tensors strictly.

    Raises:
        CheckpointError: lists what does not fit.
    """
    if not isinstance(tensors, dict):
        raise CheckpointError(f"the checkpoint holds a {type(tensors).__name__} where weights should be")
    load_strictly(module, tensors)


def refuse_changes(now: RunConfig, then: RunConfig) -> None:
    """Refuse to go on with another configuration than the run began with.

    Raises:
        ConfigError: names every field that differs.
    """
    changed = now.differences(then)
    if changed:
        raise ConfigError("a run goes on only with the configuration it began with; changed are " + "; ".join(changed))

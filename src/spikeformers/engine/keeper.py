"""The callback that advances a run: position, averaged weights, checkpoints, rows, events."""

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from spikeformers.engine import checkpoint
from spikeformers.engine.average import WeightAverage
from spikeformers.engine.files import write_lines
from spikeformers.engine.resume import snapshot, take_up
from spikeformers.engine.stop import Interrupted, StopRequest
from spikeformers.engine.trainer import Learner

LAST, BEST, METRICS = "checkpoint/last.ckpt", "checkpoint/best.safetensors", "metrics.jsonl"
"""Files of a run folder."""

Event = dict[str, Any]


class Keeper(pl.Callback):
    """Keeps a run exact.

    Order of writing at the end of an epoch: best weights, checkpoint, rows. A kill between any two of them repeats the
    epoch, bit by bit the same, or rewrites the rows from the checkpoint.

    Args:
        folder: of the run.
        learner: what is trained.
        batches: batches of an epoch.
        state: the checkpoint to go on from.
        stop: a wish to stop.
        emit: gets an event for every step, epoch and validation.
    """

    def __init__(
        self,
        folder: Path,
        learner: Learner,
        batches: int,
        state: dict[str, Any] | None,
        stop: StopRequest,
        emit: Callable[[Event], None],
    ) -> None:
        self.folder, self.learner, self.batches, self.state = folder, learner, batches, state
        self.stop, self.emit = stop, emit
        self.config, self.progress = learner.config, learner.progress
        decay = self.config.train.ema_decay
        self.average = None if decay is None else WeightAverage(learner.task, decay)
        self.first_step = self.progress.step
        self.began = self.clock = self.saved = time.monotonic()
        self.saved_step = self.progress.step

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.state is not None:
            take_up(self.state, self.learner.task, trainer.optimizers[0], self.average)
            self.state = None
        self.began = self.clock = self.saved = time.monotonic()
        self.stop.deferred = True

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        progress = self.progress
        progress.batch += 1
        stepped = progress.batch % self.config.train.accumulate == 0 or progress.batch == self.batches
        if stepped:
            progress.step += 1
            if self.average is not None:
                self.average.update(self.learner.task)
        self._tell_step(outputs["logs"])
        # The last batch of an epoch is followed by validation; what is to be saved is saved after it.
        if stepped and progress.batch < self.batches and self._agreed(trainer, self.stop.asked or self._due()):
            self._save(trainer)
            if self._agreed(trainer, self.stop.asked):
                raise Interrupted(f"stopped and saved after step {progress.step}; {self.stop.advice}")

    def _due(self) -> bool:
        train = self.config.train
        late = time.monotonic() - self.saved >= train.checkpoint_seconds
        return late or (
            train.checkpoint_steps is not None and self.progress.step - self.saved_step >= train.checkpoint_steps
        )

    def _agreed(self, trainer: pl.Trainer, wish: bool) -> bool:
        """Whether any process wishes so."""
        return wish if trainer.world_size == 1 else trainer.strategy.reduce_boolean_decision(wish, all=False)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.average is not None and trainer.state.fn == TrainerFn.FITTING:
            self.average.exchange(self.learner.task)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if self.average is not None and trainer.state.fn == TrainerFn.FITTING:
            self.average.exchange(self.learner.task)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        progress, learner = self.progress, self.learner
        training = learner.training_meters.gathered(learner.task).compute()
        validation = learner.meters.compute()
        where = {"step": progress.step, "epoch": progress.epoch}
        rate = max(group["lr"] for group in trainer.optimizers[0].param_groups)
        progress.rows.append({**where, "split": "train", **training, "lr": rate})
        progress.rows.append({**where, "split": "val", **validation})
        goal, loss = validation[learner.task.goal], validation["loss"]
        best = progress.improved((goal, -loss) if self.config.train.choose == "goal" else (-loss, goal))
        if best and trainer.is_global_zero:
            self._save_best(validation)
        place = {**where, "epochs": self.config.train.epochs, "goal": learner.task.goal}
        self.emit({"kind": "epoch", **place, **training, "lr": rate})
        self.emit({"kind": "validation", **place, **validation, "best": best})
        progress.epoch, progress.batch = progress.epoch + 1, 0
        patience = self.config.train.patience
        progress.stopped = patience is not None and progress.stale >= patience
        trainer.should_stop = progress.stopped
        self._save(trainer)
        if trainer.is_global_zero:
            write_lines(self.folder / METRICS, progress.rows)
        if not progress.finished(self.config) and self._agreed(trainer, self.stop.asked):
            raise Interrupted(f"stopped and saved after epoch {progress.epoch}; {self.stop.advice}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.stop.deferred = False

    def _save(self, trainer: pl.Trainer) -> None:
        progress, learner = self.progress, self.learner
        now = time.monotonic()
        progress.seconds += now - self.clock
        self.clock = self.saved = now
        self.saved_step = progress.step
        progress.sums = learner.training_meters.gathered(learner.task).sums if progress.batch else {}
        if trainer.is_global_zero:
            state = snapshot(self.config, learner.task, trainer.optimizers[0], self.average, progress)
            checkpoint.save(self.folder / LAST, state)

    def _save_best(self, validation: dict[str, float]) -> None:
        tensors = self.average.tensors if self.average is not None else self.learner.task.state_dict()
        facts = {
            "config": self.config.to_dict(),
            "epoch": self.progress.epoch,
            "step": self.progress.step,
            **validation,
        }
        checkpoint.save_weights(self.folder / BEST, weights_of(tensors), facts)

    def _tell_step(self, logs: dict[str, Tensor]) -> None:
        progress, total = self.progress, self.learner.total_steps
        done = progress.step - self.first_step
        speed = done / max(1e-9, time.monotonic() - self.began)
        rate = self.learner.last_rate
        self.emit(
            {
                "kind": "step",
                "step": progress.step,
                "total_steps": total,
                "epoch": progress.epoch,
                "epochs": self.config.train.epochs,
                "goal": self.learner.task.goal,
                **{name: float(value) for name, value in logs.items()},
                "firing_rate": rate if math.isfinite(rate) else None,
                "steps_per_second": speed,
                "eta_seconds": (total - progress.step) / speed if speed else None,
            }
        )


def weights_of(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A task's state dict as a weights file has it: the model's names bare, the encoder's behind a prefix."""
    out = {name.removeprefix("model."): value for name, value in tensors.items() if name.startswith("model.")}
    for name, value in tensors.items():
        if name.startswith("encoder."):
            out[checkpoint.ENCODER_PREFIX + name.removeprefix("encoder.")] = value
    return out

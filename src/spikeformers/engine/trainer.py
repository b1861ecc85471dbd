"""A run in the form that Lightning trains: one small module around the task, and the Trainer."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor
from torch.optim import Optimizer

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import Batch, StepOutput
from spikeformers.data.loader import Loader
from spikeformers.data.samples import Samples
from spikeformers.engine.config import RunConfig
from spikeformers.engine.firing import watching
from spikeformers.engine.resume import EVALUATION, TRAINING, Progress, seed_position
from spikeformers.engine.stop import Diverged, explain_divergence
from spikeformers.kernels import pack
from spikeformers.metrics.base import Metric
from spikeformers.metrics.firing import FiringRates
from spikeformers.tasks.base import Task

WATCH_EVERY = 8
"""In training, firing rates are taken from one batch in so many; in evaluation from all."""

PRECISIONS = {"fp32": "32-true", "bf16": "bf16-mixed"}


class Pass:
    """One pass over a loader from a position that is read when the pass begins, in the form that Lightning moves."""

    def __init__(self, loader: Loader, progress: Progress | None = None) -> None:
        self.loader = loader
        self.progress = progress

    def __iter__(self) -> Iterator[dict[str, Any]]:
        if self.progress is not None:
            self.loader.set_epoch(self.progress.epoch)
            self.loader.start_at(self.progress.batch)
        for batch in self.loader:
            if self.progress is not None and self.loader.skipped:
                self.progress.skipped = sorted({*self.progress.skipped, *self.loader.skipped})
            yield vars(batch)


class Meters:
    """The metrics of one pass: the task's own, and firing rates."""

    def __init__(self, task: Task, sums: dict[str, dict[str, Tensor]] | None = None) -> None:
        self.parts: dict[str, Metric] = {"task": task.metric(), "firing": FiringRates()}
        for name, part in (sums or {}).items():
            self.parts[name].merge(part)

    @property
    def sums(self) -> dict[str, dict[str, Tensor]]:
        """The state of all parts."""
        return {name: dict(part.sums) for name, part in self.parts.items()}

    @property
    def rates(self) -> FiringRates:
        """The firing rates."""
        part = self.parts["firing"]
        assert isinstance(part, FiringRates)
        return part

    def compute(self) -> dict[str, float]:
        """Every value that is a number."""
        values = {name: value for part in self.parts.values() for name, value in part.compute().items()}
        return {name: value for name, value in values.items() if abs(value) < float("inf")}

    def gathered(self, task: Task) -> "Meters":
        """The metrics of all processes together."""
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            return self
        every: list[Any] = [None] * torch.distributed.get_world_size()
        torch.distributed.all_gather_object(every, self.sums)
        whole = Meters(task)
        for sums in every:
            for name, part in sums.items():
                whole.parts[name].merge(part)
        return whole


class Learner(pl.LightningModule):
    """The task as a LightningModule.

    Args:
        config: of the run.
        task: model, encoder, loss and metrics.
        progress: where the run stands; training starts there.
        total_steps: optimizer steps of the whole training.
    """

    def __init__(self, config: RunConfig, task: Task, progress: Progress, total_steps: int = 1) -> None:
        super().__init__()
        self.config = config
        self.task = task
        self.progress = progress
        self.total_steps = total_steps
        self.training_meters = Meters(task, progress.sums)
        self.meters = Meters(task)
        """Of the last validation or test."""
        self.last_rate = float("nan")

    def configure_optimizers(self) -> Optimizer:
        return self.config.optim.build(self.task)

    def on_train_epoch_start(self) -> None:
        if self.progress.batch == 0:
            self.training_meters = Meters(self.task)

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        factor = self.config.schedule.factor(self.progress.step, self.total_steps)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = self.config.optim.lr * factor * group.get("lr_scale", 1.0)
        self._seed()

    def _seed(self) -> None:
        seed_position(self.config.seed, TRAINING, self.progress.epoch, self.progress.batch, self.global_rank)

    def training_step(self, fields: dict[str, Any], batch_idx: int) -> dict[str, Any]:
        batch = Batch(**fields)
        rates = FiringRates()
        with ExitStack() as stack:
            if self.config.train.pack_spikes:
                stack.enter_context(pack.saved())
            if self.progress.batch % WATCH_EVERY == 0:
                stack.enter_context(watching(self.task.model, rates.update))
            output = self.task.step(batch)
        if not torch.isfinite(output.loss):
            raise Diverged(self._divergence(batch, output.loss.item()))
        self.task.measure(self.training_meters.parts["task"], output, batch)
        if rates.sums:
            self.training_meters.rates.merge(rates.sums)
            self.last_rate = rates.compute()["firing_rate"]
        return {"loss": output.loss, "logs": output.logs}

    def _divergence(self, batch: Batch, loss: float) -> str:
        def again() -> StepOutput:
            self._seed()
            return self.task.step(batch)

        where = explain_divergence(self.task, again)
        return (
            f"the loss became {loss} at step {self.progress.step + 1} (epoch {self.progress.epoch + 1}): {where}; "
            "try a lower --optim.lr, --train.clip-norm 1.0, or --train.precision fp32"
        )

    def on_validation_epoch_start(self) -> None:
        self.meters = Meters(self.task)

    def validation_step(self, fields: dict[str, Any], batch_idx: int) -> None:
        seed_position(self.config.seed, EVALUATION, batch_idx, self.global_rank)
        batch = Batch(**fields)
        with watching(self.task.model, self.meters.rates.update):
            output = self.task.step(batch)
        self.task.measure(self.meters.parts["task"], output, batch)

    def on_validation_epoch_end(self) -> None:
        self.meters = self.meters.gathered(self.task)


@contextmanager
def quiet() -> Iterator[None]:
    """Run Lightning without its banners: what matters is said through events and errors.

    One warning is silenced, by its words: Lightning 2.6 builds a `LeafSpec`, which torch 2.13 calls deprecated.
    """
    for name in ("pytorch_lightning", "lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=r"`isinstance\(treespec, LeafSpec\)`", category=FutureWarning)
        yield


def build_trainer(config: RunConfig, *, epochs: int, callbacks: list[pl.Callback], alone: bool = False) -> pl.Trainer:
    """Lightning's Trainer with everything off that a run does itself.

    Args:
        config: of the run.
        epochs: how many are left.
        callbacks: for this run.
        alone: run in this process only, whatever the config says.

    Raises:
        ConfigError: the machine has not what the config asks for.
    """
    train = config.train
    on_gpu = _on_gpu(train.accelerator)
    machines = 1 if alone else machine_count(train.devices)
    several = not alone and train.devices * machines > 1
    if on_gpu and train.devices > torch.cuda.device_count():
        raise ConfigError(
            f"train.devices={train.devices}, but there are {torch.cuda.device_count()} GPUs; "
            f"add --train.devices {torch.cuda.device_count()} or --train.accelerator cpu"
        )
    with quiet():
        return pl.Trainer(
            accelerator="gpu" if on_gpu else "cpu",
            devices=1 if alone else train.devices,
            num_nodes=machines,
            strategy=DDPStrategy(process_group_backend="nccl" if on_gpu else "gloo") if several else "auto",
            sync_batchnorm=several and on_gpu,
            precision=PRECISIONS[train.precision],  # type: ignore[arg-type]
            max_epochs=epochs,
            accumulate_grad_batches=train.accumulate,
            gradient_clip_val=train.clip_norm,
            callbacks=callbacks,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )


def _on_gpu(accelerator: str) -> bool:
    if accelerator == "gpu" and not torch.cuda.is_available():
        raise ConfigError("train.accelerator=gpu, but torch sees no GPU here; add --train.accelerator auto")
    return accelerator != "cpu" and torch.cuda.is_available()


def machine_count(devices: int) -> int:
    """How many machines take part: one, or as many as torchrun says.

    Raises:
        ConfigError: torchrun started another number of processes per machine than the config says.
    """
    if not torch.distributed.is_torchelastic_launched():
        return 1
    here = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    if here != devices:
        raise ConfigError(
            f"torchrun started {here} processes on this machine, but train.devices={devices}; add --train.devices {here}"
        )
    return int(os.environ["WORLD_SIZE"]) // here


def is_leader() -> bool:
    """Whether this is the one process of a run that writes files and reports."""
    return int(os.environ.get("RANK", os.environ.get("LOCAL_RANK", "0"))) == 0


def train_loader(config: RunConfig, samples: Samples, rank: int, world: int) -> Loader:
    """Shuffled and augmented batches of the training part."""
    return Loader(
        samples,
        config.train.batch_size,
        seed=config.seed,
        shuffle=True,
        augment=config.data.augment,
        mix=config.data.mix,
        classes=len(config.data.info.classes),
        skip_corrupt=config.train.skip_corrupt,
        rank=rank,
        world=world,
        workers=config.train.workers,
    )


def eval_loader(config: RunConfig, samples: Samples, rank: int = 0, world: int = 1) -> Loader:
    """Batches of a validation or test part in their own order, never augmented."""
    return Loader(
        samples,
        config.train.eval_batch_size,
        seed=config.seed,
        shuffle=False,
        skip_corrupt=config.train.skip_corrupt,
        rank=rank,
        world=world,
        workers=config.train.workers,
    )

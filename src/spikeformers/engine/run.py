"""A run from its configuration to its results, and the evaluation of what it left."""

import json
import time
from collections.abc import Callable
from contextlib import nullcontext
from itertools import islice
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

import spikeformers
from spikeformers.conversion import QuantizeConfig, quantize, unroll_model
from spikeformers.core.errors import CheckpointError, ConfigError, did_you_mean
from spikeformers.core.log import get_logger
from spikeformers.core.rng import seed_everything
from spikeformers.data.samples import Samples, Splits
from spikeformers.engine import checkpoint
from spikeformers.engine.analysis import raster
from spikeformers.engine.config import RunConfig
from spikeformers.engine.files import holding, write_json, write_lines, write_text
from spikeformers.engine.keeper import BEST, LAST, METRICS, Event, Keeper
from spikeformers.engine.machine import machine_card, peak_memory_mib
from spikeformers.engine.resume import Progress, load_module, progress_of, refuse_changes
from spikeformers.engine.stop import StopRequest
from spikeformers.engine.sync import share_batch_norms
from spikeformers.engine.trainer import (
    Learner,
    Meters,
    Pass,
    build_trainer,
    eval_loader,
    is_leader,
    quiet,
    train_loader,
)
from spikeformers.models.adapt import checkpoint_blocks
from spikeformers.models.chunks import chunk_time
from spikeformers.tasks.base import Task

SPLITS = ("train", "val", "test")
ENERGY_BATCHES, ENERGY_SAMPLES = 4, 16
"""How many batches of the validation part, of how many samples, energy is measured on."""

logger = get_logger(__name__)

OnEvent = Callable[[Event], None]


def train(
    config: RunConfig, folder: str | Path, *, resume: bool = False, on_event: OnEvent | None = None
) -> dict[str, Any]:
    """Train, choose the best epoch on the validation part, test it once, and write everything down.

    Args:
        config: the run.
        folder: where it is written; several machines must see the same one.
        resume: go on where the folder's run stopped; start it if there is none; return its results if it has ended.
        on_event: called with progress: `kind` is step, epoch, validation, phase or note (`text`).

    Returns:
        The results, as in `results.json`. Of several processes only the first returns them, the others an empty dict.

    Raises:
        ConfigError: model and data do not fit, the folder already has a run, or the configuration changed since.
        StorageError: another process trains in this folder, or the disk is full; checkpoints are intact.
        CheckpointError: the checkpoint to go on from is broken, or the weights to start from do not fit.
        Diverged: the loss is no longer finite.
        Interrupted: Ctrl-C; saved.
    """
    folder, leader = Path(folder), is_leader()
    if resume and (folder / "results.json").exists():
        refuse_changes(config, RunConfig.from_yaml(folder / "config.yaml"))
        return json.loads((folder / "results.json").read_text(encoding="utf-8"))
    stop = StopRequest(f"go on with --resume; everything so far is in {folder}")
    with holding(folder) if leader else nullcontext():
        state = _begin(config, folder, resume, leader)
        with stop.listening():
            return _Run(config, folder, state, stop, on_event if on_event and leader else _silent).whole()


def evaluate(path: str | Path, split: str = "test", *, binary: bool = False) -> dict[str, Any]:
    """Loss, goal and firing rate of a run's best weights, or of one checkpoint file, on one part of its data.

    Args:
        path: a run folder, a `best.safetensors` or a `last.ckpt`.
        split: train, val or test; never augmented.
        binary: whether integer spikes are carried out as binary ones at virtual steps (see `conversion.unroll`).

    Returns:
        `<split>/loss` and the other values of the task, such as `<split>/accuracy`; `firing_rate`, `samples`, `skipped`,
        `model`, `data`, `goal`, `split`; with `binary`, `binary_layers` and `virtual_steps`, the most that a layer needed.

    Raises:
        ConfigError: no such split, or `binary` and the model has no integer spikes.
        CheckpointError: the file is missing or broken.
    """
    if split not in SPLITS:
        raise ConfigError(f"there is no split {split!r}" + did_you_mean(split, SPLITS))
    config, task = load_task(path)
    splits = config.data.build()
    facts = _unroll(config, task, splits, split) if binary else {}
    return {**evaluate_task(config, task, splits, split), **facts}


def _unroll(config: RunConfig, task: Task, splits: Splits, split: str) -> dict[str, int]:
    """Have the model run on binary spikes; which layers and with how many virtual steps is seen on a few samples."""
    depths = unroll_model(task.model, _encoded(task, getattr(splits, split)))
    if max(depths.values()) <= 1:
        raise ConfigError(
            f"no layer of this {config.model.family!r} got a count above 1 on {split} samples: its spikes are binary already"
        )
    return {"binary_layers": len(depths), "virtual_steps": max(depths.values())}


def _encoded(task: Task, samples: Samples, start: int = 0) -> Tensor:
    """A few samples from `start` on, as the model takes them."""
    with torch.no_grad():
        return task.encode(samples.inputs(list(range(start, min(start + ENERGY_SAMPLES, len(samples))))))


def evaluate_task(config: RunConfig, task: Task, splits: Splits, split: str = "test") -> dict[str, Any]:
    """What `evaluate` measures, of a task in memory: its model may be another than the one trained, such as a rounded one.

    Args:
        splits: the data of `config`.
    """
    samples = getattr(splits, split)
    learner = Learner(config, task, Progress())
    trainer = build_trainer(config, epochs=1, callbacks=[], alone=True)
    meters, skipped = _measure(trainer, learner, samples)
    values = {k if k == "firing_rate" else f"{split}/{k}": v for k, v in meters.compute().items()}
    facts = {"samples": len(samples), "skipped": len(skipped), "split": split}
    facts |= {"model": config.model.family, "data": config.data.family, "goal": task.goal}
    return {"firing_rate": 0.0, **values, **facts}


def load_task(path: str | Path) -> tuple[RunConfig, Task]:
    """The configuration and the trained task of a run folder or a checkpoint file.

    Raises:
        CheckpointError: nothing is there, or it is broken.
    """
    path = _weights_file(Path(path))
    if path.suffix == ".ckpt":
        state = checkpoint.load(path)
        weights = {**state["model"], **{checkpoint.ENCODER_PREFIX + k: v for k, v in state["encoder"].items()}}
        if state["average"] is not None:
            from spikeformers.engine.keeper import weights_of

            weights = weights_of(state["average"]["tensors"])
        facts = {"config": state["config"]}
    else:
        weights, facts = checkpoint.load_weights(path)
    config = RunConfig.from_dict(facts.get("config") or {}, where=f"the configuration in {path}")
    task = config.build_task()
    _place(task, weights)
    return config, task.eval()


def _weights_file(path: Path) -> Path:
    """The file that is meant by it or by its run folder."""
    if path.is_dir():
        if not (path / BEST).exists():
            raise CheckpointError(
                f"{path} has no {BEST}: no epoch of its run has ended yet, or it is not the folder of a run"
            )
        return path / BEST
    if not path.exists():
        raise CheckpointError(f"there is no {path}; give the folder of a run, or a checkpoint file in one")
    return path


def _silent(event: Event) -> None:
    """Nobody listens."""


def _begin(config: RunConfig, folder: Path, resume: bool, leader: bool) -> dict[str, Any] | None:
    """The checkpoint to go on from, if there is one; refuses a folder that does not fit what was asked."""
    known = folder / "config.yaml"
    if not resume:
        if leader and known.exists():
            raise ConfigError(f"{folder} already holds a run; go on with it with --resume, or choose another folder")
        return None
    if not (folder / LAST).exists():
        if known.exists():
            refuse_changes(config, RunConfig.from_yaml(known))
        return None
    state = checkpoint.load(folder / LAST)
    refuse_changes(config, RunConfig.from_dict(state["config"], where=f"the configuration in {folder / LAST}"))
    return state


def _place(task: Task, weights: dict[str, Tensor]) -> None:
    model, encoder = checkpoint.split_weights(weights)
    load_module(task.model, model)
    load_module(task.encoder, encoder)


def _measure(trainer: pl.Trainer, learner: Learner, samples: Samples) -> tuple[Meters, set[str]]:
    """One evaluation pass, over all processes, and the names of samples that this one could not read."""
    loader = eval_loader(learner.config, samples, trainer.global_rank, trainer.world_size)
    with quiet():
        trainer.validate(learner, dataloaders=Pass(loader), verbose=False)
    return learner.meters, set(loader.skipped)


class _Run:
    """One attempt at a run."""

    def __init__(
        self, config: RunConfig, folder: Path, state: dict[str, Any] | None, stop: StopRequest, emit: OnEvent
    ) -> None:
        self.config, self.folder, self.state, self.stop, self.emit = config, folder, state, stop, emit
        self.leader = is_leader()
        self.progress = Progress() if state is None else progress_of(state)
        if not self.leader:
            self.progress.sums = {}

    def whole(self) -> dict[str, Any]:
        """Train what is left, then test and write everything."""
        self._phase("data")
        seed_everything(self.config.seed)
        self.task = self._fresh()
        if self.config.train.checkpoint_blocks:
            checkpoint_blocks(self.task.model)
        if self.config.train.chunk_steps is not None:
            chunk_time(self.task.model, self.config.train.chunk_steps, cut=self.config.train.cut_chunks)
        splits = self.config.data.build()
        trainer, learner = self._prepare(splits)
        if self.leader:
            write_text(self.folder / "config.yaml", self.config.to_yaml())
            write_json(self.folder / "machine.json", machine_card())
        if not self.progress.finished(self.config):
            self._phase("train")
            val = eval_loader(self.config, splits.val, trainer.global_rank, trainer.world_size)
            with quiet():
                trainer.fit(learner, train_dataloaders=Pass(self.loader, self.progress), val_dataloaders=Pass(val))
            self.progress.skipped = sorted({*self.progress.skipped, *val.skipped})
        return self._finish(trainer, learner, splits)

    def _fresh(self) -> Task:
        """The task as it starts: with the weights of another run or file, where the run names one and has not begun."""
        weights = self.config.weights
        if weights is None or self.state is not None:
            return self.config.build_task()
        task = self.config.but(quantize=QuantizeConfig()).build_task()
        said = task.start(_weights_file(Path(weights)))
        logger.info("%s", said)
        self.emit({"kind": "note", "text": said})
        if self.config.quantize.on:
            quantize(task.model, self.config.quantize)
        return task

    def _prepare(self, splits: Splits) -> tuple[pl.Trainer, Learner]:
        left = max(1, self.config.train.epochs - self.progress.epoch)
        trainer = build_trainer(self.config, epochs=left, callbacks=[])
        if trainer.world_size > 1 and trainer.strategy.root_device.type == "cpu":
            share_batch_norms(self.task)
        self.loader = train_loader(self.config, splits.train, trainer.global_rank, trainer.world_size)
        steps = -(-len(self.loader) // self.config.train.accumulate)
        learner = Learner(self.config, self.task, self.progress, steps * self.config.train.epochs)
        trainer.callbacks.append(  # type: ignore[attr-defined]
            Keeper(self.folder, learner, len(self.loader), self.state, self.stop, self.emit)
        )
        return trainer, learner

    def _finish(self, trainer: pl.Trainer, learner: Learner, splits: Splits) -> dict[str, Any]:
        """Test the best weights and write the files that end a run."""
        self.stop.deferred = False
        tested = time.monotonic()
        trainer.strategy.barrier("trained")
        weights, _ = checkpoint.load_weights(self.folder / BEST)
        _place(self.task, weights)
        self._phase("test")
        meters, skipped = _measure(trainer, learner, splits.test)
        skipped |= set(self.progress.skipped)
        if skipped:
            logger.warning(
                "%d samples could not be read and were left out: %s", len(skipped), ", ".join(sorted(skipped))
            )
        if not self.leader:
            return {}
        write_lines(self.folder / METRICS, self.progress.rows)
        self._phase("analysis")
        analysis = {
            "firing_rates": meters.rates.per_layer(),
            "raster": raster(self.task, splits.test, 0),
            **self.task.analyze(meters.parts["task"]),
        }
        with torch.no_grad():
            pictures = self.task.pictures(splits.test)
        if pictures:
            analysis["pictures"] = pictures
        write_json(self.folder / "analysis.json", analysis)
        self._phase("energy")
        energy = self._energy(splits.val)
        write_json(self.folder / "energy.json", energy)
        seconds = self.progress.seconds + time.monotonic() - tested
        results = {**self._results(meters.compute(), energy, seconds), "skipped": len(skipped)}
        write_json(self.folder / "results.json", results)
        self._phase("done")
        return results

    def _energy(self, samples: Samples) -> dict[str, Any]:
        from spikeformers.energy import assess

        self.task.eval().cpu()
        twin = self.task.twin(self.config.model)

        starts = islice(range(0, len(samples), ENERGY_SAMPLES), ENERGY_BATCHES)
        batches = (_encoded(self.task, samples, start) for start in starts)
        found = assess(self.task.model, twin, batches).to_dict()
        return {**found, "flags": [*self.config.quantize.remarks(), *found["flags"]]}

    def _results(self, test: dict[str, float], energy: dict[str, Any], seconds: float) -> dict[str, Any]:
        best = self.progress.best_epoch
        val = next(r for r in self.progress.rows if r["epoch"] == best and r["split"] == "val")
        goal = self.task.goal
        return {
            "name": self.config.name,
            "goal": goal,
            f"test/{goal}": test[goal],
            f"val/{goal}": val[goal],
            "test/loss": test["loss"],
            "val/loss": val["loss"],
            "best_epoch": best,
            "firing_rate": test.get("firing_rate", 0.0),
            "params": sum(p.numel() for p in self.task.parameters() if p.requires_grad),
            "synops": energy["synops"],
            "energy/snn_mj": energy["snn_mj"],
            "energy/ann_mj": energy["ann_mj"],
            "seconds": round(seconds, 3),
            "peak_memory_mib": round(peak_memory_mib(), 1),
            "model": self.config.model.family,
            "data": self.config.data.family,
            "seed": self.config.seed,
            "epochs": self.progress.epoch,
            "steps_per_second": round(self.progress.step / max(1e-9, self.progress.seconds), 3),
            "version": spikeformers.__version__,
        }

    def _phase(self, name: str) -> None:
        self.emit({"kind": "phase", "phase": name})

"""Operations and energy of a model chosen by name, of a recipe, or of a trained run, on batches that are stated."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from spikeformers.core.errors import ConfigError
from spikeformers.core.rng import seed_everything
from spikeformers.data.samples import Samples
from spikeformers.energy import Assessment, assess, measure
from spikeformers.engine.config import RunConfig
from spikeformers.engine.machine import peak_memory_mib
from spikeformers.engine.run import load_task
from spikeformers.models.base import MODELS
from spikeformers.models.hub import load_weights
from spikeformers.tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """An assessment, and what it was made on.

    Attributes:
        name: what was asked for.
        weights: whose weights they were, in words.
        inputs: what the batches were, in words.
        assessment: the numbers.
        machine: what this machine took for a batch, if that was asked for.
        remarks: what a reader must know besides the flags of the assessment.
    """

    name: str
    weights: str
    inputs: str
    assessment: Assessment
    machine: dict[str, Any] | None = None
    remarks: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Everything in plain types."""
        said = {"name": self.name, "weights": self.weights, "inputs": self.inputs, **self.assessment.to_dict()}
        said["flags"] = [*self.remarks, *said["flags"]]
        return said if self.machine is None else {**said, "machine": self.machine}


@dataclass(frozen=True, kw_only=True)
class Portions:
    """How much to measure on: `batches` batches of `size` samples, priced by the table `prices`.

    `timed` runs the model on a batch without counting too: seconds, peak memory, and joules where the machine shows them.
    """

    batches: int = 3
    size: int = 2
    prices: str = "horowitz_45nm"
    seed: int = 0
    timed: bool = False

    def __post_init__(self) -> None:
        for name in ("batches", "size"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")


_REPEATS = 5
"""Timed runs of a batch."""

_UNTRAINED = "untrained, batch norms fitted to these inputs"


def measure_model(
    name: str, portions: Portions, rate: float | None = None, weights: str | Path | None = None
) -> Measurement:
    """A registered model on synthetic inputs, with fresh weights or those of a checkpoint.

    Of a fresh network, batch norms are fitted to the inputs first; without that it is nearly silent and looks free.

    Args:
        name: registered model name.
        portions: how much to measure.
        rate: show spikes of this rate, drawn anew at every step, instead of normal values shown at every step.
        weights: a checkpoint file of this model, ours or official.

    Raises:
        ConfigError: no such model, or a rate outside [0, 1].
        CheckpointError: the checkpoint cannot be read or does not fit.
    """
    if rate is not None and not 0.0 <= rate <= 1.0:
        raise ConfigError(f"rate={rate} must lie between 0 and 1")
    config = MODELS.config(name)
    seed_everything(portions.seed)
    model = config.build()
    image = (portions.size, config.in_channels, *config.image)
    if rate is None:
        batches = [torch.randn(image) for _ in range(portions.batches)]
        inputs = f"standard normal values, {_shape(image)}, the same at every step"
    else:
        batches = [(torch.rand(config.timesteps, *image) < rate).float() for _ in range(portions.batches)]
        inputs = f"independent spikes of rate {rate:g}, {_shape(image)}, new at every step"
    if weights is None:
        fit_batch_norms(model, batches)
        said = _UNTRAINED
    else:
        load_weights(model, weights)
        said = f"those of {weights}"
    return _measured(model, config.twin().build(), batches, portions, name=name, weights=said, inputs=inputs)


def measure_recipe(config: RunConfig, portions: Portions) -> Measurement:
    """The untrained model of a run on the validation samples of its data.

    Raises:
        ConfigError: model and data do not fit.
        DataError: the data is not there.
    """
    seed_everything(config.seed)
    task = config.build_task()
    batches = encoded(task, config.data.build().val, portions)
    fit_batch_norms(task.model, batches)
    return _assessed(config, task, batches, portions, config.name, _UNTRAINED)


def measure_run(path: str | Path, portions: Portions) -> Measurement:
    """A trained model on the validation samples of its data.

    Args:
        path: a run folder or a checkpoint file of a run.
        portions: how much to measure.

    Raises:
        CheckpointError: there is no checkpoint, or it is broken.
    """
    config, task = load_task(path)
    batches = encoded(task, config.data.build().val, portions)
    return _assessed(config, task, batches, portions, str(path), f"trained, from {path}")


def _assessed(
    config: RunConfig, task: Task, batches: list[Tensor], portions: Portions, name: str, weights: str
) -> Measurement:
    samples = sum(batch.shape[-4] for batch in batches)
    inputs = f"{samples} validation samples of {config.data.family}, encoder {config.encoder.family}"
    found = _measured(task.model, task.twin(config.model), batches, portions, name=name, weights=weights, inputs=inputs)
    return replace(found, remarks=tuple(config.quantize.remarks()))


def _measured(
    model: nn.Module,
    twin: nn.Module,
    batches: list[Tensor],
    portions: Portions,
    *,
    name: str,
    weights: str,
    inputs: str,
) -> Measurement:
    found = assess(model, twin, batches, prices=portions.prices)
    machine = None
    if portions.timed:
        machine = {**measure(model, batches[0], repeats=_REPEATS), "batch": portions.size}
        machine["peak_process_mib"] = peak_memory_mib()
    return Measurement(name=name, weights=weights, inputs=inputs, assessment=found, machine=machine)


def encoded(task: Task, samples: Samples, portions: Portions) -> list[Tensor]:
    """The first samples in batches, as the model takes them."""
    seed_everything(portions.seed)
    task.eval()
    starts = range(0, min(len(samples), portions.batches * portions.size), portions.size)
    with torch.no_grad():
        return [
            task.encode(samples.inputs(list(range(start, min(start + portions.size, len(samples))))))
            for start in starts
        ]


def fit_batch_norms(model: nn.Module, batches: list[Tensor]) -> None:
    """Set the running statistics of every batch norm to the mean over `batches`."""
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    with _training(model), _cumulative(norms), torch.no_grad():
        for batch in batches:
            model(batch)


@contextmanager
def _training(model: nn.Module) -> Iterator[None]:
    was = model.training
    model.train()
    try:
        yield
    finally:
        model.train(was)


@contextmanager
def _cumulative(norms: list[_BatchNorm]) -> Iterator[None]:
    """Average over all batches instead of forgetting exponentially."""
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum


def _shape(image: tuple[int, ...]) -> str:
    return "×".join(map(str, image))

"""What every task is: a model, an encoder, a loss and metrics, wired. The engine knows nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor, nn

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.core.types import Batch, StepOutput
from spikeformers.data.base import DatasetInfo
from spikeformers.data.samples import Samples
from spikeformers.encoders.base import Encoder, EncoderConfig
from spikeformers.metrics.base import Metric
from spikeformers.models.base import ModelConfig

TASKS: Registry["TaskConfig"] = Registry("task", "spikeformers.tasks")


@dataclass(frozen=True, kw_only=True)
class TaskConfig(Config):
    """Abstract: what a model is trained for."""

    registry: ClassVar = TASKS

    def check(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> None:
        """Refuse a model or an encoder that does not fit the data.

        Raises:
            ConfigError: names both sides and the flags that would make them fit.
        """
        raise NotImplementedError

    def build(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> "Task":
        """The task with a freshly initialized model.

        Raises:
            ConfigError: as `check`.
        """
        raise NotImplementedError


def refuse_misfits(model: ModelConfig, info: DatasetInfo, wanted: Mapping[str, tuple[Any, Any]]) -> None:
    """Refuse a model whose fields are not what the data need.

    Args:
        model: of the task.
        info: of the data.
        wanted: name of each field → (what the model has, what the data need).

    Raises:
        ConfigError: names both sides and the flags that would make them fit.
    """
    wrong = {name: (_size(has), _size(needs)) for name, (has, needs) in wanted.items() if has != needs}
    if not wrong:
        return
    has = ", ".join(f"{name}={value}" for name, (value, _) in wrong.items())
    needs = ", ".join(f"{name}={value}" for name, (_, value) in wrong.items())
    flags = " ".join(
        f"--model.{name.replace('_', '-')} {str(value).strip('()').replace(',', '')}"
        for name, (_, value) in wrong.items()
    )
    raise ConfigError(f"model {model.family!r} has {has}, but the data {info.title!r} needs {needs}; add {flags}")


def _size(value: Any) -> Any:
    """One number for a square, as people write it."""
    return value[0] if isinstance(value, tuple) and value[0] == value[1] else value


class Task(nn.Module):
    """Abstract: what the engine trains.

    Attributes:
        model: from what `encode` gives to outputs; its tensors, with those of the encoder, are what a run keeps.
        encoder: from values to steps.
        goal: the metric by which checkpoints are chosen; larger is better.
    """

    goal: ClassVar[str]
    model: nn.Module
    encoder: Encoder

    def __init__(self, model: nn.Module, encoder: Encoder) -> None:
        super().__init__()
        self.model = model
        self.encoder = encoder

    def encode(self, inputs: Tensor) -> Tensor:
        """A batch's inputs, as the dataset has them, to what the model takes."""
        raise NotImplementedError

    def step(self, batch: Batch) -> StepOutput:
        """Loss, scalars and outputs of one batch, in training and evaluation alike."""
        raise NotImplementedError

    def metric(self) -> Metric:
        """A new, empty metric."""
        raise NotImplementedError

    def measure(self, metric: Metric, output: StepOutput, batch: Batch) -> None:
        """Take one batch into a metric of `metric()`."""
        raise NotImplementedError

    def start(self, path: Path) -> str:
        """Start the model from the weights of a file.

        Returns:
            One sentence that names what stayed the model's own and what of the file was left out.

        Raises:
            CheckpointError: the file cannot be read or does not fit.
        """
        raise NotImplementedError

    def answer(self, inputs: Tensor, targets: Tensor) -> dict[str, Any]:
        """Show the model one sample, and say in plain types what of its answer a report tells."""
        raise NotImplementedError

    def analyze(self, metric: Metric) -> dict[str, Any]:
        """Facts for a report that are no single numbers, in plain types."""
        raise NotImplementedError

    def pictures(self, samples: Samples) -> dict[str, Any]:
        """What a report shows of samples, if anything: `title`, `note`, `columns`, and `rows` of images [C, H, W] in bytes."""
        raise NotImplementedError

    def twin(self, model: ModelConfig) -> nn.Module:
        """What the task's model is compared with in energy: the same around the model's ANN twin."""
        raise NotImplementedError

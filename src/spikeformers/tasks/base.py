"""What every task is: a model, an encoder, a loss and metrics, wired. The engine knows nothing else."""

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor, nn

from spikeformers.core.config import Config
from spikeformers.core.registry import Registry
from spikeformers.core.types import Batch, StepOutput
from spikeformers.data.base import DatasetInfo
from spikeformers.encoders.base import Encoder, EncoderConfig
from spikeformers.metrics.base import Metric
from spikeformers.models.base import ModelConfig, SpikingModel

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


class Task(nn.Module):
    """Abstract: what the engine trains.

    Attributes:
        model: from what `encode` gives to per-step outputs [T, B, ...].
        encoder: from values to steps.
        goal: the metric by which checkpoints are chosen; larger is better.
    """

    goal: ClassVar[str]
    model: SpikingModel
    encoder: Encoder

    def __init__(self, model: SpikingModel, encoder: Encoder) -> None:
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

    def analyze(self, metric: Metric) -> dict[str, Any]:
        """Facts for a report that are no single numbers, in plain types."""
        raise NotImplementedError

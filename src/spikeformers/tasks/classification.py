"""Classification of images and event streams."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import Batch, StepOutput
from spikeformers.data.base import DatasetInfo
from spikeformers.encoders.base import Encoder, EncoderConfig
from spikeformers.metrics.base import Metric
from spikeformers.metrics.classification import Classification
from spikeformers.models.base import ModelConfig, SpikingModel
from spikeformers.tasks.base import TASKS, Task, TaskConfig
from spikeformers.tasks.losses import CrossEntropy, LossConfig

_EVENT_AXES = 4
"""Events have shape (T, P, H, W); static images (C, H, W)."""


@TASKS.register("classification")
@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(TaskConfig):
    """One class per sample."""

    loss: LossConfig = CrossEntropy()
    """What is minimized."""

    def check(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> None:
        channels, height, width = info.shape[-3:]
        if height != width:
            raise ConfigError(
                f"{info.title} has images of {height}×{width}; models take square images: crop or pad the data"
            )
        wanted = {"num_classes": len(info.classes), "in_channels": encoder.channels(channels), "img_size": height}
        wrong = {name: value for name, value in wanted.items() if getattr(model, name) != value}
        if wrong:
            has = ", ".join(f"{name}={getattr(model, name)}" for name in wrong)
            needs = ", ".join(f"{name}={value}" for name, value in wrong.items())
            flags = " ".join(f"--model.{name.replace('_', '-')} {value}" for name, value in wrong.items())
            raise ConfigError(
                f"model {model.family!r} has {has}, but the data {info.title!r} needs {needs}; add {flags}"
            )
        if len(info.shape) == _EVENT_AXES and not encoder.repeats:
            raise ConfigError(
                f"{info.title} brings its own time steps, so encoder {encoder.family!r} has nothing to encode; "
                "add encoder=direct"
            )

    def build(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> "Classifier":
        self.check(model, encoder, info)
        return Classifier(self, model.build(), encoder.build(), info)


class Classifier(Task):
    """Inputs → encoder → model → loss over the steps and accuracy of the readout."""

    goal: ClassVar[str] = "accuracy"
    mean: Tensor
    std: Tensor

    def __init__(self, config: ClassificationConfig, model: SpikingModel, encoder: Encoder, info: DatasetInfo) -> None:
        super().__init__(model, encoder)
        self.config = config
        self.info = info
        self.register_buffer("mean", torch.tensor(info.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(info.std).view(-1, 1, 1), persistent=False)

    def normalize(self, x: Tensor) -> Tensor:
        """Zero mean and unit variance per channel: [..., C, H, W] → the same shape."""
        return (x - self.mean) / self.std

    def encode(self, inputs: Tensor) -> Tensor:
        if inputs.dim() == _EVENT_AXES + 1:
            return inputs.transpose(0, 1)
        return self.encoder(inputs, self.model.config.timesteps, self.normalize)

    def step(self, batch: Batch) -> StepOutput:
        logits = self.model(self.encode(batch.inputs))
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        scores = self.model.readout(logits)
        loss = self.config.loss.loss(logits, scores, batch.targets)
        labels = batch.targets.argmax(-1) if batch.targets.dim() == 2 else batch.targets
        accuracy = (scores.argmax(-1) == labels).float().mean()
        return StepOutput(loss=loss, logs={"loss": loss.detach(), "accuracy": accuracy.detach()}, outputs=logits)

    def metric(self) -> Classification:
        return Classification(len(self.info.classes))

    def measure(self, metric: Metric, output: StepOutput, batch: Batch) -> None:
        metric.update(self.model.readout(output.outputs.detach()), batch.targets, output.loss.detach())

    def analyze(self, metric: Metric) -> dict[str, Any]:
        assert isinstance(metric, Classification)
        return {"confusion": metric.confusion.tolist(), "classes": list(self.info.classes)}

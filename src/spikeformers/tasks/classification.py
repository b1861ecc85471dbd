"""Classification of images, event streams and sequences."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.core.types import Batch, StepOutput
from spikeformers.data.base import DatasetInfo
from spikeformers.data.samples import Samples
from spikeformers.encoders.base import Encoder, EncoderConfig
from spikeformers.layers.time import repeat
from spikeformers.metrics.base import Metric
from spikeformers.metrics.classification import Classification
from spikeformers.models.base import ModelConfig, SpikingModel
from spikeformers.models.hub import start_from
from spikeformers.tasks.base import TASKS, Task, TaskConfig, refuse_misfits
from spikeformers.tasks.losses import CrossEntropy, LossConfig

_SEQUENCE, _IMAGE, _EVENTS = 2, 3, 4
"""Axes of a sample: sequences (T, F), static images (C, H, W), events (T, P, H, W)."""


@TASKS.register("classification")
@dataclass(frozen=True, kw_only=True)
class ClassificationConfig(TaskConfig):
    """One class per sample."""

    loss: LossConfig = CrossEntropy()
    """What is minimized."""
    rows: int = 1
    """Consecutive steps of a sequence [T, F] that are shown together, as the rows of one image; divides T.

    With all T of them the sequence is one static image, shown for the model's `timesteps`.
    """

    def frames(self, info: DatasetInfo) -> tuple[int, int, int]:
        """(C, H, W) of what the model sees at a time; a sequence [T, F] becomes T / rows images of rows × F.

        Raises:
            ConfigError: samples of this shape are not classified, or `rows` does not fit them.
        """
        shape = info.shape
        if len(shape) not in (_SEQUENCE, _IMAGE, _EVENTS):
            raise ConfigError(f"{info.title} has samples {shape}; sequences, images and events have 2, 3 and 4 axes")
        if len(shape) != _SEQUENCE:
            if self.rows != 1:
                raise ConfigError(f"rows={self.rows} is for sequences [T, F]; {info.title} has samples {shape}")
            return shape[-3], shape[-2], shape[-1]
        steps, features = shape
        if self.rows < 1 or steps % self.rows:
            raise ConfigError(f"rows={self.rows} does not divide the {steps} steps of {info.title}")
        return 1, self.rows, features

    def check(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> None:
        if not info.classes:
            raise ConfigError(_without_classes(info))
        channels, *image = self.frames(info)
        wanted = {
            "num_classes": (model.num_classes, len(info.classes)),
            "in_channels": (model.in_channels, encoder.channels(channels)),
            "img_size": (model.image, tuple(image)),
        }
        refuse_misfits(model, info, wanted)
        if len(info.shape) != _IMAGE and not encoder.repeats:
            raise ConfigError(
                f"{info.title} brings its own time steps, so encoder {encoder.family!r} has nothing to encode; "
                "add encoder=direct"
            )

    def build(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> "Classifier":
        self.check(model, encoder, info)
        return Classifier(self, model.build(), encoder.build(), info)


def _without_classes(info: DatasetInfo) -> str:
    if info.generated:
        return f"{info.title} has no classes, so nothing can be classified; choose other data or another task"
    layout = "\n".join(f"  {line}" for line in info.layout.splitlines())
    return (
        f"the classes of {info.title} stand in its files, and there are none where they were looked for; "
        f"point to their folder with data.root (--data.root). Expected there:\n{layout}"
    )


class Classifier(Task):
    """Inputs → encoder → model → loss over the steps and accuracy of the readout."""

    goal: ClassVar[str] = "accuracy"
    model: SpikingModel
    mean: Tensor
    std: Tensor

    def __init__(self, config: ClassificationConfig, model: SpikingModel, encoder: Encoder, info: DatasetInfo) -> None:
        super().__init__(model, encoder)
        self.config = config
        self.info = info
        # Features of a sequence lie along the width of its images.
        axes = (1, 1, -1) if len(info.shape) == _SEQUENCE else (-1, 1, 1)
        self.register_buffer("mean", torch.tensor(info.mean).view(axes), persistent=False)
        self.register_buffer("std", torch.tensor(info.std).view(axes), persistent=False)

    def normalize(self, x: Tensor) -> Tensor:
        """Zero mean and unit variance per channel, or feature of a sequence: [..., C, H, W] → the same shape."""
        return (x - self.mean) / self.std

    def encode(self, inputs: Tensor) -> Tensor:
        axes = inputs.dim() - 1
        if axes == _EVENTS:
            return inputs.transpose(0, 1)
        if axes == _SEQUENCE:
            x = self.normalize(inputs.unflatten(1, (-1, 1, self.config.rows)).transpose(0, 1))
            return repeat(x[0], self.model.config.timesteps) if len(x) == 1 else x
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

    def start(self, path: Path) -> str:
        return start_from(self.model, path)

    def answer(self, inputs: Tensor, targets: Tensor) -> dict[str, Any]:
        scores = self.model.readout(self.model(self.encode(inputs)))
        return {"target": int(targets[0]), "prediction": int(scores[0].argmax())}

    def analyze(self, metric: Metric) -> dict[str, Any]:
        assert isinstance(metric, Classification)
        return {"confusion": metric.confusion.tolist(), "classes": list(self.info.classes)}

    def pictures(self, samples: Samples) -> dict[str, Any]:
        return {}

    def twin(self, model: ModelConfig) -> SpikingModel:
        return model.twin().build()

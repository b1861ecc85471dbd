"""Pre-training without labels: draw the hidden patches of images and event frames."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.core.rng import generator
from spikeformers.core.types import Batch, StepOutput
from spikeformers.data.base import DatasetInfo
from spikeformers.data.samples import Samples
from spikeformers.encoders.base import Encoder, EncoderConfig
from spikeformers.metrics.base import Metric
from spikeformers.metrics.reconstruction import Reconstruction
from spikeformers.models.base import ModelConfig
from spikeformers.models.masked_autoencoder import (
    DecoderConfig,
    MaskedAutoencoder,
    MaskedAutoencoderConfig,
    draw_mask,
    load_autoencoder,
)
from spikeformers.tasks.base import TASKS, Task, TaskConfig, refuse_misfits

_IMAGE, _EVENTS = 3, 4
"""Axes of a sample: static images (C, H, W), events (T, P, H, W)."""
SHOWN = 6
"""Images that are shown beside what was drawn of them."""
_GRAY = 0.5


@TASKS.register("masked_autoencoding")
@dataclass(frozen=True, kw_only=True)
class MaskedAutoencodingConfig(TaskConfig):
    """Draw the hidden patches of images: pre-training of any vision model, without labels.

    The weights of the run start another training with its `weights`; the decoder is then left out.
    """

    mask_ratio: float = 0.5
    """Share of an image's patches that is hidden; what a patch is follows from the model, one cell of its last map."""
    normalize: bool = True
    """Draw every patch in units of its own mean and standard deviation; otherwise in those of the data."""
    decoder: DecoderConfig = DecoderConfig()
    """What draws."""

    def __post_init__(self) -> None:
        if not 0.0 < self.mask_ratio < 1.0:
            raise ConfigError(f"mask_ratio={self.mask_ratio} must lie between 0 and 1")

    def check(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> None:
        if len(info.shape) not in (_IMAGE, _EVENTS):
            raise ConfigError(
                f"{info.title} has samples {info.shape}; patches are hidden in images (C, H, W) and events (T, P, H, W)"
            )
        if len(info.shape) == _EVENTS and not encoder.repeats:
            raise ConfigError(
                f"{info.title} brings its own time steps, so encoder {encoder.family!r} has nothing to encode; "
                "add encoder=direct"
            )
        channels, *image = info.shape[-3:]
        wanted = {
            "in_channels": (model.in_channels, encoder.channels(channels)),
            "img_size": (model.image, tuple(image)),
        }
        refuse_misfits(model, info, wanted)

    def build(self, model: ModelConfig, encoder: EncoderConfig, info: DatasetInfo) -> "MaskedAutoencoding":
        self.check(model, encoder, info)
        return MaskedAutoencoding(self, self.around(model, info), encoder.build(), info)

    def around(self, model: ModelConfig, info: DatasetInfo) -> MaskedAutoencoder:
        """The autoencoder around a model, for samples of a dataset."""
        return MaskedAutoencoderConfig(encoder=model, decoder=self.decoder, channels=info.shape[-3]).build()


class MaskedAutoencoding(Task):
    r"""Inputs → encoder → hide patches → autoencoder → mean squared error of the hidden patches' pixels.

    Its outputs are the drawn and the true pixels of the hidden patches, [2, M, P]; events are drawn as their mean frame.
    """

    goal: ClassVar[str] = "explained"
    model: MaskedAutoencoder
    mean: Tensor
    std: Tensor

    def __init__(
        self, config: MaskedAutoencodingConfig, model: MaskedAutoencoder, encoder: Encoder, info: DatasetInfo
    ) -> None:
        super().__init__(model, encoder)
        self.config = config
        self.info = info
        self.register_buffer("mean", torch.tensor(info.mean).view(-1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(info.std).view(-1, 1, 1), persistent=False)

    def normalize(self, x: Tensor) -> Tensor:
        """Zero mean and unit variance per channel, [..., C, H, W] → the same shape."""
        return (x - self.mean) / self.std

    def encode(self, inputs: Tensor) -> Tensor:
        if inputs.dim() - 1 == _EVENTS:
            return inputs.transpose(0, 1)
        return self.encoder(inputs, self.model.config.encoder.timesteps, self.normalize)

    def target(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What is to be drawn [B, N, P], and the mean and deviation of every patch that it was freed of [B, N, 1]."""
        frames = inputs.float().mean(1) if inputs.dim() - 1 == _EVENTS else self.normalize(inputs)
        patches = self.model.patches(frames)
        if not self.config.normalize:
            return patches, torch.zeros_like(patches[..., :1]), torch.ones_like(patches[..., :1])
        mean, deviation = patches.mean(-1, keepdim=True), (patches.var(-1, keepdim=True) + 1e-6).sqrt()
        return (patches - mean) / deviation, mean, deviation

    def step(self, batch: Batch) -> StepOutput:
        height, width = self.model.grid
        mask = draw_mask(len(batch), height * width, self.config.mask_ratio, batch.inputs.device)
        drawn = self.model(self.encode(batch.inputs), mask)[0]
        drawn = drawn.to(torch.promote_types(drawn.dtype, torch.float32))
        pairs = torch.stack((drawn, self.target(batch.inputs)[0].to(drawn.dtype)))[:, ~mask.visible]
        loss = (pairs[0] - pairs[1]).square().mean()
        return StepOutput(loss=loss, logs={"loss": loss.detach()}, outputs=pairs)

    def metric(self) -> Reconstruction:
        return Reconstruction()

    def measure(self, metric: Metric, output: StepOutput, batch: Batch) -> None:
        drawn, true = output.outputs.detach()
        metric.update(drawn, true, output.loss.detach())

    def start(self, path: Path) -> str:
        return load_autoencoder(self.model, path)

    def answer(self, inputs: Tensor, targets: Tensor) -> dict[str, Any]:
        self.model(self.encode(inputs))
        return {}

    def analyze(self, metric: Metric) -> dict[str, Any]:
        return {}

    def pictures(self, samples: Samples) -> dict[str, Any]:
        if len(self.info.shape) != _IMAGE or self.info.shape[0] not in (1, 3):
            return {}
        inputs = samples.inputs(list(range(min(SHOWN, len(samples))))).to(self.mean.device)
        patches = self.model.grid[0] * self.model.grid[1]
        mask = draw_mask(len(inputs), patches, self.config.mask_ratio, inputs.device, generator(0))
        _, mean, deviation = self.target(inputs)
        drawn = self.model(self.encode(inputs), mask)[0] * deviation + mean
        drawn = self.model.images(drawn) * self.std + self.mean
        hidden = self.model.hide(torch.ones_like(inputs), mask) == 0
        columns = (inputs, inputs.masked_fill(hidden, _GRAY), torch.where(hidden, drawn.clamp(0, 1).float(), inputs))
        note = "Hidden patches are gray in the middle."
        if self.config.normalize:
            note += " What is drawn was given its brightness and contrast per patch from the original."
        return {
            "title": "Drawn from what was left visible",
            "note": note,
            "columns": ["the sample", "what was seen", "what was drawn"],
            "rows": [[_plain(image) for image in row] for row in zip(*columns, strict=True)],
        }

    def twin(self, model: ModelConfig) -> MaskedAutoencoder:
        return self.config.around(model.twin(), self.info)


def _plain(image: Tensor) -> list[Any]:
    """[C, H, W] with values in [0, 1], in bytes."""
    found: list[Any] = (image * 255).round().int().tolist()
    return found

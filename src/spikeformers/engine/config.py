"""Everything that defines a run."""

from dataclasses import dataclass
from typing import Any, Literal

from spikeformers.conversion import QuantizeConfig, quantize
from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.data.base import DataConfig
from spikeformers.encoders.base import EncoderConfig
from spikeformers.encoders.direct import DirectConfig
from spikeformers.engine.optim import OptimizerConfig
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.schedule import ScheduleConfig
from spikeformers.engine.schedule.cosine import CosineConfig
from spikeformers.models.base import ModelConfig
from spikeformers.tasks.base import Task, TaskConfig
from spikeformers.tasks.classification import ClassificationConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig(Config):
    """How long, in what portions and on what the training runs."""

    epochs: int = 100
    """Passes over the training samples."""
    batch_size: int = 64
    """Training samples of one batch, over all devices together."""
    eval_batch_size: int = 256
    """Samples of one batch of validation and test, over all devices together."""
    accumulate: int = 1
    """Batches whose gradients are averaged before each optimizer step."""
    clip_norm: float | None = None
    """Largest norm of the gradient of all parameters together; longer ones are shortened to it."""
    ema_decay: float | None = None
    """Decay of the running average of the weights; the averaged weights are then validated, tested and kept."""
    checkpoint_blocks: bool = False
    """Recompute the activations of every block in the backward pass: less memory, about a third more time."""
    pack_spikes: bool = False
    """Keep spikes for the backward pass as bits and the neurons' inputs as what batch norm got: equal gradients from less memory."""
    chunk_steps: int | None = None
    """Run so many time steps at once and once more in the backward pass: memory of one chunk; batch norms see one chunk."""
    cut_chunks: bool = False
    """Let no gradient flow from one chunk to the one before (with chunks of one step: SLTT): then T costs no memory at all."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """Arithmetic: float32, or bfloat16 where autocast finds it safe."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """What to run on; auto takes a GPU where there is one."""
    devices: int = 1
    """Devices (on a CPU: processes) per machine that share every batch."""
    workers: int = 0
    """Processes that prepare batches ahead, per device; 0 prepares them in the training process."""
    skip_corrupt: bool = False
    """Go on without samples that cannot be read, and count them in the results; otherwise the first ends the run."""
    choose: Literal["goal", "loss"] = "goal"
    """What makes an epoch the best on validation data: the task's goal (accuracy), or the loss, steadier where samples are few."""
    patience: int | None = None
    """Stop after this many epochs in a row without a better validation."""
    checkpoint_seconds: float = 300.0
    """Longest time between two checkpoints of an epoch; every epoch ends with one in any case."""
    checkpoint_steps: int | None = None
    """Most optimizer steps between two checkpoints."""

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch_size",
            "eval_batch_size",
            "accumulate",
            "devices",
            "patience",
            "chunk_steps",
            "checkpoint_steps",
        ):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}={value} must be at least 1")
        if self.workers < 0:
            raise ConfigError(f"workers={self.workers} must be 0 or more")
        for name in ("clip_norm", "checkpoint_seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name}={value} must be above 0")
        if self.ema_decay is not None and not 0.0 < self.ema_decay < 1.0:
            raise ConfigError(f"ema_decay={self.ema_decay} must lie between 0 and 1, or be none (no averaging)")
        self._check_memory()
        for name in ("batch_size", "eval_batch_size"):
            if getattr(self, name) % self.devices:
                raise ConfigError(f"{name}={getattr(self, name)} is not divisible by devices={self.devices}")

    def _check_memory(self) -> None:
        """Ways to need less memory that exclude each other."""
        if self.cut_chunks and self.chunk_steps is None:
            raise ConfigError("cut_chunks=True needs chunks of steps; add --train.chunk-steps 1 (SLTT) or more")
        for name in ("checkpoint_blocks", "pack_spikes"):
            if getattr(self, name) and self.chunk_steps is not None:
                raise ConfigError(
                    f"{name}=True has no effect with chunk_steps={self.chunk_steps}, which recomputes whole chunks; drop one"
                )


@dataclass(frozen=True, kw_only=True)
class RunConfig(Config):
    """A complete run: what is trained, on what, how, and from which seed."""

    name: str = "run"
    """What the run is called in its folder's name and its report."""
    model: ModelConfig
    """The network."""
    encoder: EncoderConfig = DirectConfig()
    """How values become steps."""
    data: DataConfig
    """The dataset."""
    task: TaskConfig = ClassificationConfig()
    """What the network is trained for."""
    optim: OptimizerConfig = AdamWConfig()
    """How gradients become steps."""
    schedule: ScheduleConfig = CosineConfig()
    """The learning rate over the training."""
    train: TrainConfig = TrainConfig()
    """How long, in what portions and on what."""
    weights: str | None = None
    """Run folder or weights file that the model starts from, such as a pre-training's; none starts from random weights."""
    quantize: QuantizeConfig = QuantizeConfig()
    """Bits of weights and activations that the network is trained with; none is full precision."""
    seed: int = 0
    """Of the initial weights, the order of samples, augmentation and every other random draw."""

    def __post_init__(self) -> None:
        if not self.name or any(c in self.name for c in "/\\\0") or self.name.startswith("."):
            raise ConfigError(f"name={self.name!r} must be usable as the name of a folder")
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed} must be 0 or more")

    def build_task(self) -> Task:
        """The task with a freshly initialized model, quantized if the run is.

        Raises:
            ConfigError: model, encoder and data do not fit.
        """
        task = self.task.build(self.model, self.encoder, self.data.info)
        if self.quantize.on:
            quantize(task.model, self.quantize)
        return task

    def differences(self, other: "RunConfig") -> list[str]:
        """Fields in which two runs differ, each as `train.epochs: 5 instead of 10`."""
        mine, theirs = flat(self.to_dict()), flat(other.to_dict())
        return [
            f"{path}: {mine.get(path, '(absent)')!r} instead of {theirs.get(path, '(absent)')!r}"
            for path in dict.fromkeys([*mine, *theirs])
            if mine.get(path, ...) != theirs.get(path, ...)
        ]


def flat(plain: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested plain config as dotted path → value."""
    out: dict[str, Any] = {}
    for name, value in plain.items():
        out.update(flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value})
    return out

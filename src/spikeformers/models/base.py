"""What every model has in common: its config, its axes, its readout, its way in from official checkpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from math import inf
from typing import Any, ClassVar, Self

import torch
from torch import Tensor, nn

from spikeformers.core.config import Config
from spikeformers.core.errors import CheckpointError, ConfigError, ShapeError
from spikeformers.core.registry import Registry
from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.attention.ssa import SSAConfig
from spikeformers.layers.checks import height_width
from spikeformers.layers.time import repeat
from spikeformers.models.official import OfficialArgs, Shapes
from spikeformers.neurons import NeuronConfig
from spikeformers.neurons.lif import LIFConfig
from spikeformers.neurons.surrogate import Sigmoid
from spikeformers.weights.io import unwrap
from spikeformers.weights.resize import Resize
from spikeformers.weights.rules import Rules, grouped

MODELS: Registry["ModelConfig"] = Registry("model", "spikeformers.models")


_SIZES = ("img_size", "in_channels", "num_classes", "timesteps", "dim", "depth", "heads", "mlp_ratio", "mlp_ratios")
"""Fields of which nothing is left at zero, where a model has them."""


@dataclass(frozen=True, kw_only=True)
class ModelConfig(Config):
    """Abstract: a model by its fields. Final configs add theirs and write `build`."""

    registry: ClassVar = MODELS
    causal: ClassVar[bool] = True
    """Whether the output at step t never depends on input after t."""
    any_size: ClassVar[bool] = False
    """Whether images of other sizes than `img_size` fit as well; it is then only the size the model is meant for."""

    img_size: int | tuple[int, int] = 224
    """Height and width of the input in pixels; one number for a square."""
    in_channels: int = 3
    """Channels of the input: 3 for color images, 2 for event polarities."""
    num_classes: int = 1000
    """Classes K of the readout."""
    timesteps: int = 4
    """Steps T for which a static image [B, C, H, W] is shown; inputs [T, B, C, H, W] bring their own T."""
    neuron: NeuronConfig = LIFConfig(surrogate=Sigmoid(alpha=4.0))
    """What fires, everywhere in the model; the default is what nearly all official code uses."""

    def __post_init__(self) -> None:
        for name in _SIZES:
            value = getattr(self, name, 1)
            if not all(0 < size < inf for size in (value if isinstance(value, tuple) else (value,))):
                raise ConfigError(
                    f"{name}={value} must be above 0" + (" and finite" if isinstance(value, float) else "")
                )
        for field in fields(self):
            if isinstance(part := getattr(self, field.name), NeuronConfig | AttentionConfig):
                part.check_steps(self.timesteps)

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of the input in pixels."""
        return height_width(self.img_size)

    def build(self) -> "SpikingModel":
        """The model, freshly initialized."""
        raise NotImplementedError

    def twin(self) -> Self:
        """The ANN twin: the same network with ReLU for neurons, run for one step."""
        return self.but(neuron="relu", timesteps=1)

    def positional(self) -> Mapping[str, Resize]:
        """Pattern of the names of tensors whose shape follows `img_size` → how they are fitted to another size."""
        return {}

    @classmethod
    def from_official(cls, shapes: Mapping[str, torch.Size], args: OfficialArgs) -> Self:
        """The config of an official checkpoint: sizes from tensor shapes, the rest from the official constructor's arguments."""
        raise CheckpointError(f"no official checkpoints of {cls.__name__.removesuffix('Config')} are known")

    def official_rules(self) -> Rules:
        """Rules from the official parameter names of this config's layout to ours."""
        raise CheckpointError(f"no official parameter names of {type(self).__name__.removesuffix('Config')} are known")


@dataclass(frozen=True, kw_only=True)
class AttentiveConfig(ModelConfig):
    """Abstract: a model whose attention operator may be chosen."""

    attention: AttentionConfig = SSAConfig()
    """What queries, keys and values make of each other."""

    @property
    def causal(self) -> bool:  # type: ignore[override]
        """Whether the output at step t never depends on input after t, which the attention decides."""
        return self.attention.causal

    def twin(self) -> Self:
        return self.but(neuron="relu", timesteps=1, attention=self.attention.for_one_step())


class SpikingModel(nn.Module):
    """Abstract: [B, C, H, W] or [T, B, C, H, W] → per-step logits [T, B, K].

    Final models write `pyramid` (maps, finest first) and set `head`, which gets what `pool` makes of the last map.
    """

    readout_parts: ClassVar[tuple[str, ...]] = ("head", "head_neuron", "head_kd")
    """Parts of the model, where it has them, that stand behind its features."""
    added_later: ClassVar[tuple[str, ...]] = ()
    """Patterns of names of tensors that pre-training may lack and that then start as they are."""

    feature_info: list[FeatureInfo]

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config

    def with_time(self, x: Tensor) -> Tensor:
        """Give static images [B, C, H, W] their T axis; check shapes.

        Raises:
            ShapeError: no floating-point tensor, or wrong number of axes, channels or pixels.
        """
        config = self.config
        if not isinstance(x, Tensor) or not x.is_floating_point():
            what = str(x.dtype) if isinstance(x, Tensor) else type(x).__name__
            raise ShapeError(
                f"{config.family} takes a tensor of floating-point numbers; got {what}; convert it, pixels to [0, 1]"
            )
        if x.dim() == 4:
            x = repeat(x, config.timesteps)
        if x.dim() != 5:
            raise ShapeError(f"{config.family} takes [B, C, H, W] or [T, B, C, H, W]; got shape {tuple(x.shape)}")
        if x.shape[0] == 0:
            raise ShapeError(f"{config.family} got T=0 steps (shape {tuple(x.shape)}); T must be at least 1")
        wanted = (config.in_channels, *(x.shape[3:] if config.any_size else config.image))
        if tuple(x.shape[2:]) != wanted:
            raise ShapeError(
                f"{config.family} was built for images {wanted} (in_channels, height, width); got {tuple(x.shape[2:])}"
            )
        return x

    def features(self, x: Tensor) -> list[Tensor]:
        """Maps [T, B, C, H, W] of every level in `feature_info`, finest first."""
        return self.pyramid(self.with_time(x))

    def pyramid(self, x: Tensor) -> list[Tensor]:
        """As `features`, for inputs that have their T axis."""
        raise NotImplementedError

    def classify(self, x: Tensor) -> Tensor:
        """The last map [T, B, C, H, W] → per-step logits [T, B, K]."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.features(x)[-1])

    def readout(self, logits: Tensor) -> Tensor:
        """Per-step logits [T, B, K] → [B, K], the mean over T."""
        return logits.mean(0)


def load_strictly(model: nn.Module, tensors: Mapping[str, Tensor]) -> None:
    """Load a state dict under our names; every tensor must find its place and its shape.

    Raises:
        CheckpointError: lists what is missing, left over or misshapen, grouped by prefix.
    """
    own = model.state_dict()
    missing = [n for n in own if n not in tensors]
    extra = [n for n in tensors if n not in own]
    shapes = [
        f"{n}: {tuple(tensors[n].shape)} in the file, {tuple(own[n].shape)} in the model"
        for n in own
        if n in tensors and tensors[n].shape != own[n].shape
    ]
    faults = []
    if missing:
        faults.append(f"{len(missing)} tensors of the model are not in the file: {grouped(missing)}")
    if extra:
        faults.append(f"{len(extra)} tensors of the file are not in the model: {grouped(extra)}")
    if shapes:
        faults.append(f"{len(shapes)} shapes differ: " + ", ".join(shapes[:4]) + (", …" if len(shapes) > 4 else ""))
    if faults:
        raise CheckpointError("; ".join(faults))
    dtype = next((t.dtype for t in own.values() if t.is_floating_point()), torch.float32)
    model.load_state_dict({n: t.to(dtype) if t.is_floating_point() else t for n, t in tensors.items()}, strict=True)


def from_official(
    family: str, state_dict: Mapping[str, Tensor], parity: bool = False, **official_constructor_arguments: Any
) -> SpikingModel:
    """Build our model from an official state dict and load it.

    Args:
        family: registered family name, such as "spikformer".
        state_dict: official names → tensors, or a checkpoint that holds them as training scripts wrap them.
        parity: reproduce the official code's defects where it has any.
        official_constructor_arguments: by the official constructor's own names; sizes that the shapes tell may be left out.

    Returns:
        The model in eval mode, in the widest floating-point type of the state dict (half precisions become float32).

    Raises:
        ConfigError: unknown family or argument.
        CheckpointError: tensors left over on either side.
    """
    cls = MODELS.entry(family).cls
    state_dict = unwrap(state_dict, "the state dict")
    args = OfficialArgs(family, official_constructor_arguments, parity, state_dict)
    try:
        config = cls.from_official(Shapes({n: t.shape for n, t in state_dict.items()}), args)
    except ConfigError:
        args.done()  # A misspelt argument is a likelier reason than values that do not fit together.
        raise
    args.done(num_classes=config.num_classes, in_channels=config.in_channels)
    model = config.build()
    wide = {t.dtype for t in state_dict.values() if t.is_floating_point()}
    if torch.float64 in wide:
        model = model.double()
    load_strictly(model, config.official_rules().to_ours(state_dict))
    return model.eval()

"""Shapes and precisions that neurons written as modules share."""

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, ShapeError


def wide(x: Tensor) -> Tensor:
    """x in the precision that potentials are held in: float32 for half precisions, else its own."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def step_axis(axis: int) -> int:
    """Where the channels of [T, B, ...] on `axis` are in one step [B, ...]."""
    return axis - 1 if axis > 0 else axis


def along(value: Tensor, x: Tensor, axis: int) -> Tensor:
    """One value per channel, shaped so that it broadcasts against x with its channels on `axis`."""
    shape = [1] * x.dim()
    shape[axis] = -1
    return value.reshape(shape)


def need_channels(family: str, channels: int | None) -> int:
    """The number of channels, for a neuron that cannot be built without.

    Raises:
        ConfigError: it was not given.
    """
    if channels is None:
        raise ConfigError(f"the neuron {family!r} has values per channel; build it with channels=")
    return channels


def check_channels(family: str, x: Tensor, axis: int, channels: int) -> None:
    """Refuse an input whose channel axis has another size.

    Raises:
        ShapeError: names the sizes and the axis.
    """
    if x.dim() <= (axis if axis >= 0 else -axis - 1) or x.shape[axis] != channels:
        raise ShapeError(f"{family} was built for {channels} channels on axis {axis}; the input is {tuple(x.shape)}")

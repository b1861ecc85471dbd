"""Axis legend and the small types that travel between the layers of the library.

Axes: T simulation steps, B batch, C H W channels height width, N tokens or points, L sequence position,
D embedding width, h heads, K classes, P event polarity, E events.
"""

from dataclasses import dataclass, field, replace
from typing import Any, Self

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """What a loader hands to a task.

    Attributes:
        inputs: as the dataset has them, B first: images [B, C, H, W], events [B, T, P, H, W].
        targets: labels [B], or what the task needs.
        meta: sample indices and other facts that never reach the model.
    """

    inputs: Tensor
    targets: Tensor
    meta: dict[str, Any] = field(default_factory=dict)

    def to(self, device: torch.device | str) -> Self:
        """The same batch on another device."""
        moved = {k: v.to(device) if isinstance(v, Tensor) else v for k, v in self.meta.items()}
        return replace(self, inputs=self.inputs.to(device), targets=self.targets.to(device), meta=moved)

    def __len__(self) -> int:
        return self.inputs.shape[0]


@dataclass(frozen=True)
class StepOutput:
    """What a task gives for one batch: the loss to minimise, scalars to log, and the model's outputs [T, B, ...]."""

    loss: Tensor
    logs: dict[str, Tensor]
    outputs: Tensor


@dataclass(frozen=True)
class FeatureInfo:
    """One level of a feature pyramid [T, B, channels, H / reduction, W / reduction]; an axis of one pixel stays."""

    channels: int
    reduction: int
    module: str

"""What every encoder is: values in, T steps of spikes or currents out.

Every encoder reads plain values in [0, 1]. Direct coding, whose output is the value itself, normalizes it; rate-like
codes leave their spikes alone. Normalized images (half of whose pixels are negative) are refused.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from spikeformers.core.config import Config
from spikeformers.core.errors import ShapeError
from spikeformers.core.registry import Registry

ENCODERS: Registry["EncoderConfig"] = Registry("encoder", "spikeformers.encoders")

Normalize = Callable[[Tensor], Tensor]
"""Shifts and scales values [B, ...] channel by channel."""

_SLACK = 1e-4
"""How far outside [0, 1] rounding may put a value."""


@dataclass(frozen=True, kw_only=True)
class EncoderConfig(Config):
    """Abstract: how values become T steps. The number of steps belongs to the model and is passed to each call."""

    registry: ClassVar = ENCODERS
    repeats: ClassVar[bool] = False
    """Whether every step is the same analog value, so that one step tells all."""

    def channels(self, channels: int) -> int:
        """Channels of the code of values with `channels` channels."""
        return channels

    def build(self) -> "Encoder":
        """The encoder."""
        raise NotImplementedError


class Encoder(nn.Module):
    """Abstract: values [B, ...] in [0, 1] → [T, B, ...].

    Final encoders write `step`; `forward` runs all steps, and calling `step` for t = 0, 1, … streams the same code
    without holding [T, B, ...] in memory.
    """

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config

    def step(
        self, x: Tensor, t: int, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        """Step t of a code that is `steps` long: [B, ...] → [B, ...].

        Args:
            x: values in [0, 1], the same at every step.
            t: from 0 to steps - 1, in order where the code is random.
            steps: T.
            normalize: applied by encoders whose output is the value itself; others leave their spikes alone.
            generator: source of randomness; torch's own by default.
        """
        raise NotImplementedError

    def forward(
        self, x: Tensor, steps: int, normalize: Normalize | None = None, generator: Generator | None = None
    ) -> Tensor:
        """All steps: [B, ...] → [T, B, ...]. Arguments as in `step`.

        Raises:
            ShapeError: values outside [0, 1], not floating point, or fewer than one step.
        """
        x = self._checked(x, steps)
        if self.config.repeats:
            return self.step(x, 0, steps, normalize, generator).unsqueeze(0).expand(steps, *x.shape)
        return torch.stack([self.step(x, t, steps, normalize, generator) for t in range(steps)])

    def _checked(self, x: Tensor, steps: int) -> Tensor:
        name = self.config.family
        if steps < 1:
            raise ShapeError(f"encoder {name} was asked for {steps} steps; give at least 1")
        if not x.is_floating_point():
            raise ShapeError(f"encoder {name} takes floating-point values in [0, 1]; got {x.dtype}")
        if x.numel() == 0:
            return x
        low, high = (float(bound) for bound in x.detach().aminmax())
        if not (low >= -_SLACK and high <= 1 + _SLACK):
            raise ShapeError(
                f"encoder {name} takes values in [0, 1]; got {low:.4g} … {high:.4g}: pass plain values and give "
                "normalize=, which the encoder applies where it belongs"
            )
        return x.clamp(0.0, 1.0) if low < 0.0 or high > 1.0 else x

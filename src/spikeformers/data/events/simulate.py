"""Events from images and video: a pixel fires whenever its log intensity has moved by the threshold."""

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.events.array import EVENT, make_events
from spikeformers.data.transforms.image import warp

FLOOR = 0.05
"""Added to intensities in [0, 1] before the logarithm, so that black has one."""


def saccade_path(steps: int, amplitude: float) -> Tensor:
    """Positions [steps + 1, 2] (x, y in pixels) of an eye that walks a triangle and comes back: three saccades.

    Each saccade is as long in time; x and y move as in the recording of N-MNIST (down right, up right, back left).
    """
    corners = torch.tensor([[0.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.0, 0.0]]) * amplitude
    place = torch.linspace(0, 3, steps + 1)
    leg = place.floor().clamp(max=2).long()
    share = (place - leg).unsqueeze(1)
    return corners[leg] * (1 - share) + corners[leg + 1] * share


def saccades(
    image: Tensor, *, duration_us: int = 300_000, steps: int = 60, amplitude: float = 3.0, threshold: float = 0.25
) -> np.ndarray:
    """Events of a camera that looks at a still image and makes three saccades.

    Args:
        image: intensities in [0, 1], [H, W].
        duration_us: of all three together, in microseconds.
        steps: frames that the movement is rendered in; events between two frames are placed by linear interpolation.
        amplitude: of the movement, in pixels.
        threshold: change of log intensity that makes an event.

    Returns:
        Events, ordered by time.
    """
    path = saccade_path(steps, amplitude)
    still = torch.zeros(steps + 1)
    seen = warp(image.expand(steps + 1, 1, *image.shape), -path, still, still + 1)
    return from_frames(seen[:, 0], torch.linspace(0, duration_us, steps + 1).tolist(), threshold=threshold)


def from_frames(frames: Iterable[Tensor], times_us: Iterable[float], *, threshold: float = 0.25) -> np.ndarray:
    """Events of a camera that sees a video.

    Between two frames log intensity is taken to move linearly; each crossing of a multiple of `threshold` from the
    level of a pixel's last event is an event, at the time of the crossing.

    Args:
        frames: intensities in [0, 1], each [H, W]; read one at a time.
        times_us: time of each frame, ascending, in microseconds.
        threshold: change of log intensity that makes an event.

    Raises:
        ConfigError: the threshold is not above 0.
        DataError: frames of different size, values outside [0, 1], or times that do not ascend.
    """
    if not threshold > 0:
        raise ConfigError(f"threshold={threshold} must be above 0")
    from spikeformers.data.events.compiled import cross_levels

    parts: list[tuple[np.ndarray, ...]] = []
    level = before = None
    then = -math.inf
    for number, (frame, now) in enumerate(zip(frames, times_us, strict=True)):
        bright = _log_intensity(frame, number)
        if not now > then:
            raise DataError(f"frame {number} at {now} µs does not come after the one at {then} µs")
        if level is None or before is None:
            level = bright.copy()
        elif bright.shape != before.shape:
            raise DataError(f"frame {number} has shape {bright.shape}, the one before {before.shape}")
        else:
            parts.append(cross_levels(level, before, bright, then, now, threshold))
        before, then = bright, now
    if not parts:
        return np.zeros(0, EVENT)
    x, y, t, p = (np.concatenate(column) for column in zip(*parts, strict=True))
    return make_events(x, y, t, p)


def _log_intensity(frame: Tensor, number: int) -> np.ndarray:
    values = frame.numpy()
    if values.ndim != 2 or not (values >= -1e-4).all() or not (values <= 1 + 1e-4).all():
        raise DataError(f"frame {number} must be [H, W] with values in [0, 1]; got shape {values.shape}")
    bright: np.ndarray = np.log(values.clip(0, 1).astype(np.float64) + FLOOR)
    return bright

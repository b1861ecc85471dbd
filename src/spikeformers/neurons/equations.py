"""Pieces that many neurons share, written in the vocabulary of `kernels.scan.ops`."""

import math
from typing import Any

from spikeformers.core.errors import ConfigError


def leak(v: Any, x: Any, rate: Any, v_reset: float | None, decay_input: bool) -> Any:
    r"""Charge of a leaky integrator, $h = v + r\,(x-(v-v_{reset}))$, or with undamped input $h = v - r\,(v-v_{reset}) + x$."""
    rest = v if v_reset is None else v - v_reset
    if decay_input:
        return v + (x - rest) * rate
    return v - rest * rate + x


def reset(
    ops: Any, h: Any, y: Any, v_threshold: Any, v_reset: float | None, detach: bool, no_reset: bool = False
) -> Any:
    r"""Potential after firing: hard, $v=(1-y)h+y\,v_{reset}$; soft where `v_reset` is None, $v=h-y\,v_{th}$; or none, $v=h$."""
    if no_reset:
        return h
    s = ops.detach(y) if detach else y
    if v_reset is None:
        return h - s * v_threshold
    return (1.0 - s) * h + s * v_reset


def quantize(ops: Any, u: Any, levels: int, rounding: str, closed: bool) -> Any:
    r"""Integer spike count, $\mathrm{round}(\mathrm{clip}(u,0,D))$, with gradient 1 inside $[0,D]$ (inside $(0,D)$ if not `closed`).

    Args:
        rounding: `half_even` (0.5 → 0, 1.5 → 2, 2.5 → 2) or `half_up` (0.5 → 1, 1.5 → 2, 2.5 → 3).
        closed: whether the gradient passes where u is exactly 0 or D.
    """
    top = float(levels)
    z = ops.clamp(u, 0.0, top) if closed else ops.where(u <= 0.0, 0.0, ops.where(u >= top, top, u))
    return ops.round_half_even(z) if rounding == "half_even" else ops.floor(z + 0.5)


def check_positive(family: str, **values: float) -> None:
    """Refuse values that are not positive finite numbers.

    Raises:
        ConfigError: names the neuron, the field and the value.
    """
    for name, value in values.items():
        if not (value > 0 and math.isfinite(value)):
            raise ConfigError(f"{name}={value} of the neuron {family!r} must be a positive number")


def check_fraction(family: str, **values: float) -> None:
    """Refuse decays and the like that are not in [0, 1].

    Raises:
        ConfigError: names the neuron, the field and the value.
    """
    for name, value in values.items():
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"{name}={value} of the neuron {family!r} must be between 0 and 1")


def after_spike(ops: Any, h: Any, y: Any, v_threshold: Any, mode: str, detach: bool) -> Any:
    r"""Potential after firing: hard, $(1-y)h$; soft, $h-y\,v_{th}$; none, $h$."""
    if mode == "none":
        return h
    s = ops.detach(y) if detach else y
    return (1.0 - s) * h if mode == "hard" else h - s * v_threshold


def logit(p: float) -> float:
    """What the sigmoid maps to p."""
    return math.log(p / (1.0 - p))

"""Pieces that many neurons share, written in the vocabulary of `kernels.scan.ops`."""

from typing import Any


def leak(v: Any, x: Any, rate: Any, v_reset: float | None, decay_input: bool) -> Any:
    r"""Charge of a leaky integrator, $h = v + r\,(x-(v-v_{reset}))$, or with undamped input $h = v - r\,(v-v_{reset}) + x$."""
    rest = v if v_reset is None else v - v_reset
    if decay_input:
        return v + (x - rest) * rate
    return v - rest * rate + x


def reset(ops: Any, h: Any, y: Any, v_threshold: Any, v_reset: float | None, detach: bool) -> Any:
    r"""Potential after firing: hard, $v=(1-y)h+y\,v_{reset}$, or, where `v_reset` is None, soft, $v=h-y\,v_{th}$."""
    s = ops.detach(y) if detach else y
    if v_reset is None:
        return h - s * v_threshold
    return (1.0 - s) * h + s * v_reset

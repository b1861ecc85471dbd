"""What a tensor is, judged from its values: spikes of some kind, or analog."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Kind = Literal["binary", "ternary", "integer", "scaled", "analog"]

KINDS: tuple[Kind, ...] = ("binary", "ternary", "integer", "scaled", "analog")
"""From the cheapest operand to the dearest."""

MAX_LEVEL = 1024
"""Largest count that still passes as a number of unit spikes."""

_PROBE = 4096
"""Elements looked at first, so that analog tensors are known without reading all of them."""


_CHUNK = 1 << 17
"""Elements looked at together, so that what is computed from them stays in cache."""


@dataclass(frozen=True)
class Operand:
    """A classified tensor.

    Attributes:
        kind: `binary` {0,1}; `ternary` {-1,0,1}; `integer` whole numbers; `scaled` whole numbers times `scale`;
            `analog` anything else.
        scale: size of one unit spike (1 unless scaled).
        high: largest number of unit spikes in one element (0 for analog).
    """

    kind: Kind
    scale: float = 1.0
    high: int = 0

    @property
    def spikes(self) -> bool:
        """Whether an accumulate can stand for the multiply."""
        return self.kind != "analog"


ANALOG = Operand("analog")


def classify(x: Tensor, *, scaled: bool = True) -> Operand:
    """The kind of operand that `x` is.

    Args:
        x: any tensor.
        scaled: whether whole numbers times a common factor pass as spikes. False for what comes before the first
            spiking neuron: the pixels of an 8-bit image are such numbers too, and are no spikes.

    A tensor without values (meta device) is taken to be analog, so that dense operations can be counted by shape alone.
    """
    if x.numel() == 0 or x.dtype == torch.bool:
        return Operand("binary", high=1)
    if x.is_complex() or x.is_quantized or x.is_meta:
        return ANALOG
    x = _in_memory_order(x)
    probe = x.flatten()[:_PROBE] if x.is_contiguous() else x[(0,) * (x.dim() - 1)].flatten()[:_PROBE]
    whole = _whole_between(probe) is not None
    if not whole and not (scaled and _unit(probe, partial=True)):
        return ANALOG
    bounds = _whole_between(x) if whole else None
    if bounds is not None and max(-bounds[0], bounds[1]) <= MAX_LEVEL:
        top = int(max(-bounds[0], bounds[1]))
        if bounds[0] >= 0 and bounds[1] <= 1:
            return Operand("binary", high=top)
        return Operand("ternary" if top <= 1 else "integer", high=top)
    unit = _unit(x) if scaled else 0.0
    if unit:
        return Operand("scaled", scale=unit, high=round(float(x.abs().max()) / unit))
    return ANALOG


def _in_memory_order(x: Tensor) -> Tensor:
    """The same values one after another as they lie in memory, where they lie without gaps; reading so is far faster."""
    dense = x.permute(sorted(range(x.dim()), key=x.stride, reverse=True))
    return dense.view(-1) if dense.is_contiguous() else x


def _whole_between(x: Tensor) -> tuple[float, float] | None:
    """The least and the greatest value if all are whole numbers, else None; read once, part by part."""
    low, high = float("inf"), float("-inf")
    for part in x.view(-1).split(_CHUNK) if x.is_contiguous() else (x,):
        if part.is_floating_point() and any(float(v) != 0.0 for v in torch.aminmax(part.frac())):
            return None
        least, most = torch.aminmax(part)
        low, high = min(low, float(least)), max(high, float(most))
    return low, high


def _unit(x: Tensor, *, partial: bool = False) -> float:
    """The factor of which all values are small multiples, or 0.

    Args:
        partial: x is part of a larger tensor, so that seeing no value at all is no evidence against.
    """
    sizes = x.abs().float()
    top = float(sizes.max())
    if top == 0.0:
        return 1.0 if partial else 0.0
    least = float(torch.where(sizes > 0, sizes, top).min())
    if not least > 0.0 or not top < float("inf"):
        return 0.0
    precision = torch.finfo(x.dtype).eps if x.is_floating_point() else 0.0
    for divisor in (1, 2, 3):
        unit = least / divisor
        if top / unit > MAX_LEVEL or top / unit * precision > 0.05:
            return 1.0 if partial and top / unit <= MAX_LEVEL else 0.0
        multiples = sizes / unit
        off = (multiples - multiples.round()).abs()
        if bool((off <= 4 * max(precision, 1e-6) * multiples + 1e-6).all()):
            return unit
    return 0.0

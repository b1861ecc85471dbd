"""Spike trains for integer spike counts: five lossless codes of SpikingBrain."""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, ShapeError

Code = Literal["binary", "ternary", "bitwise", "bitwise_signed", "twos_complement"]


@dataclass(frozen=True)
class SpikeTrain:
    """Spikes [S, ...] of S sub-steps and what a spike of each is worth, [S]; `decode` gives the counts back.

    A linear layer may run on each sub-step's spikes: $Ws=\\sum_i w_i\\,(W\\,\\mathrm{spikes}_i)$.
    """

    spikes: Tensor
    weights: Tensor

    def decode(self) -> Tensor:
        """The counts [...] that were encoded."""
        return torch.tensordot(self.weights, self.spikes, dims=1)


def encode(counts: Tensor, code: Code) -> SpikeTrain:
    """Integer counts as a spike train, without loss.

    - binary: as many ones as the count; counts ≥ 0. S is the largest count.
    - ternary: as many ±1 as the magnitude. S is the largest magnitude.
    - bitwise: bit planes, highest first; counts ≥ 0. S is the number of bits of the largest count.
    - bitwise_signed: bit planes of the magnitude, each ±1.
    - twos_complement: bit planes of the two's complement; a spike in the first plane counts negatively.

    Args:
        counts: integers of any shape, in any floating-point or integer type.
        code: which code.

    Raises:
        ConfigError: there is no such code.
        ShapeError: a count is no integer, or negative where the code has no sign.
    """
    if code not in get_args(Code):
        raise ConfigError(f"no spike code is called {code!r}; there are {', '.join(get_args(Code))}")
    if counts.numel() and bool((counts != counts.round()).any()):
        raise ShapeError("spike codes take integer counts; round them first")
    top = int(counts.abs().max()) if counts.numel() else 0
    if code in ("binary", "bitwise") and counts.numel() and float(counts.min()) < 0:
        raise ShapeError(f"the code {code!r} has no sign and got {float(counts.min()):g}; use a signed one")
    real = counts if counts.is_floating_point() else counts.float()
    if code in ("binary", "ternary"):
        ramp = _column(torch.arange(max(top, 1), device=counts.device), counts)
        spikes = torch.where(ramp < real.abs(), real.sign(), torch.zeros_like(real))
        return SpikeTrain(spikes, torch.ones(spikes.shape[0], device=real.device, dtype=real.dtype))
    return _bit_planes(real, top, code)


def _bit_planes(real: Tensor, top: int, code: Code) -> SpikeTrain:
    twos = code == "twos_complement"
    planes = max(top.bit_length() + twos, 2 if twos else 1)
    exponents = torch.arange(planes - 1, -1, -1, device=real.device)
    whole = real.long() % 2**planes if twos else real.long().abs()
    spikes = ((whole >> _column(exponents, real)) & 1).to(real.dtype)
    weights = (2**exponents).to(real.dtype)
    if twos:
        weights[0] = -weights[0]
    return SpikeTrain(spikes * real.sign() if code == "bitwise_signed" else spikes, weights)


def _column(values: Tensor, like: Tensor) -> Tensor:
    return values.view(-1, *[1] * like.dim())

"""Rounding to few bits with a step that is fitted to values, and learned after that."""

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.layers.quantized import round_through, scale_gradient

_CANDIDATES = 60
"""Steps that are tried in a fit."""
_KEPT = 1 << 16
"""Values that an activation's step is fitted to."""


class Quantizer(nn.Module):
    r"""Uniform quantization with a learned step: any tensor → the same shape, on a grid.

    $$\hat x=s\,\mathrm{round}\Big(\mathrm{clip}\big(\tfrac{x}{s},\,l,\,h\big)\Big),\quad s=2^\sigma$$

    Signed, $l=-2^{b-1}, h=2^{b-1}-1$; of values that are never negative, $l=0, h=2^b-1$. Rounding passes its gradient
    straight through; that of σ is scaled by $1/\sqrt{n\,h}$, n values for each step. The step is learned on a logarithmic
    scale, so that it stays positive and an optimizer that normalizes gradients changes it by shares of itself.

    Source: Esser et al. (LSQ), ICLR 2020, arXiv:1902.08153; Jain et al. (log scale), MLSys 2020, arXiv:1903.08066.

    Args:
        bits: b.
        channels: number of steps along the first axis; 1 is one step for all.
    """

    signed: Tensor
    fitted: Tensor

    def __init__(self, bits: int, channels: int = 1) -> None:
        super().__init__()
        self.bits = bits
        self.log_step = nn.Parameter(torch.zeros(channels))
        self.register_buffer("signed", torch.ones((), dtype=torch.bool))
        self.register_buffer("fitted", torch.zeros((), dtype=torch.bool))

    @property
    def limits(self) -> tuple[int, int]:
        """l and h."""
        half = 2 ** (self.bits - 1)
        return (-half, half - 1) if bool(self.signed) else (0, 2 * half - 1)

    @torch.no_grad()
    def fit(self, x: Tensor) -> None:
        """Set the step that gives the least squared error on `x`, per channel where there are several."""
        rows = x.detach().float().reshape(self.log_step.numel(), -1)
        self.signed.fill_(self.log_step.numel() > 1 or bool((rows < 0).any()))
        low, high = self.limits
        top = rows.abs().amax(1).clamp_min(torch.finfo(torch.float32).tiny * 2**self.bits)
        best, least = torch.zeros_like(top), torch.full_like(top, float("inf"))
        for share in torch.linspace(1 / _CANDIDATES, 1.0, _CANDIDATES):
            step = (share * top / max(high, 1))[:, None]
            error = ((rows / step).round().clamp(low, high) * step - rows).square().sum(1)
            better = error < least
            best, least = torch.where(better, step[:, 0], best), torch.where(better, error, least)
        self.log_step.copy_(best.log2())
        self.fitted.fill_(True)

    def forward(self, x: Tensor) -> Tensor:
        if not bool(self.fitted):
            if not self.training:
                raise ConfigError(
                    f"the step of {self.bits}-bit activations was never fitted: train the model, or quantize it with batches"
                )
            self.fit(_average(sample(x)))
        low, high = self.limits
        steps = self.log_step.numel()
        pull = (x.numel() / steps * max(high, 1)) ** -0.5
        step = scale_gradient(self.log_step, pull).exp2().reshape(-1, *[1] * (x.dim() - 1) if steps > 1 else [1])
        return (round_through((x.float() / step).clamp(low, high)) * step).to(x.dtype)


def sample(x: Tensor) -> Tensor:
    """At most 65,536 values of a tensor, evenly spaced."""
    flat = x.detach().reshape(-1)
    return flat[:: -(-flat.numel() // _KEPT)]


def _average(x: Tensor) -> Tensor:
    """The same values in every process of a distributed training, so that all fit the same step."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        parts = [torch.empty_like(x) for _ in range(torch.distributed.get_world_size())]
        torch.distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts)
    return x

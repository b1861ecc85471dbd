"""Dual spike self-attention."""

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.layers.conv import ConvNorm
from spikeformers.layers.tokens import Grid
from spikeformers.neurons import NeuronConfig


class DualSpikeAttention(nn.Module):
    r"""DSSA: attention between spikes and a strided convolution of them, maps [T, B, C, H, W] → currents alike.

    With $s=S(x)$, $y=\mathrm{BN}(\mathrm{Conv}_{p\times p}s)$ at stride p, and each head's 2d channels of y split in
    $y_1,y_2\in\mathbb{R}^{d\times N'}$ while $s\in\{0,1\}^{d\times N}$:

    $$A=S\Big(\frac{y_1^\top s}{\sqrt{f_s\,d}}\Big),\qquad O=S\Big(\frac{y_2A}{\sqrt{f_A\,N'}}\Big),\qquad
      \mathrm{out}=\mathrm{BN}(W_pO)$$

    $f_s,f_A$ are moving averages of the firing rates per head (momentum 0.999, started by the first training batch).
    Where a rate is still 0, 1 stands in for it (the official code divides by zero until it has been trained a step).

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        grid: height and width of the maps; p divides both.
        patch: p.
        neuron: what fires.

    Source: Shi et al., "SpikingResformer", CVPR 2024; xyshi2000/SpikingResformer.
    """

    momentum = 0.999

    def __init__(self, dim: int, heads: int, *, grid: Grid, patch: int, neuron: NeuronConfig) -> None:
        super().__init__()
        if grid[0] % patch or grid[1] % patch:
            raise ConfigError(f"dual attention with patches of {patch} needs maps divisible by it; they are {grid}")
        self.heads = heads
        self.grid = grid
        self.keys = (grid[0] // patch) * (grid[1] // patch)
        self.neuron = neuron.build(channels=dim)
        self.unit = ConvNorm(dim, 2 * dim, patch, stride=patch, padding=0)
        # The attention map [T, B, h, N', N] has N' channels, one per key.
        self.attention_neuron = neuron.build(channels=self.keys, axis=3)
        self.out_neuron = neuron.build(channels=dim)
        self.proj = ConvNorm(dim, dim, 1)
        self.register_buffer("rate_x", torch.zeros(1, 1, heads, 1, 1))
        self.register_buffer("rate_attention", torch.zeros(1, 1, heads, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        if tuple(x.shape[3:]) != self.grid:
            raise ShapeError(f"dual attention was built for maps of {self.grid}; got {tuple(x.shape[3:])}")
        s = self.neuron(x)
        y = self.unit(s).flatten(3).unflatten(2, (self.heads, -1))
        y1, y2 = y.chunk(2, dim=3)
        z = s.flatten(3).unflatten(2, (self.heads, -1))
        a = y1.transpose(-2, -1) @ z / torch.sqrt(self.rate("rate_x", z) * z.shape[3])
        a = self.attention_neuron(a)
        o = y2 @ a / torch.sqrt(self.rate("rate_attention", a) * self.keys)
        return self.proj(self.out_neuron(o.flatten(2, 3).unflatten(3, x.shape[3:])))

    def rate(self, name: str, spikes: Tensor) -> Tensor:
        """The firing rate per head to scale with, [1, 1, h, 1, 1]; in training the average moves first."""
        kept: Tensor = getattr(self, name)
        if self.training:
            now = spikes.detach().mean((0, 1, 3, 4), keepdim=True).to(kept.dtype)
            start = torch.where((kept == 0).all(), now, kept)
            with torch.no_grad():
                kept.copy_(start * self.momentum + now * (1 - self.momentum))
        return torch.where(kept > 0, kept, 1.0).to(spikes.dtype)

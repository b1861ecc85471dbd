"""Attention inside shifted windows, with softmax, between activations that a spiking neuron can replace."""

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError
from spikeformers.layers.tokens import Grid, grid_of, merge_heads, split_heads
from spikeformers.neurons import NeuronConfig


def windows(x: Tensor, size: int) -> Tensor:
    """Maps [T, B, H, W, C] → tokens of windows [T, B·nW, size², C], windows row by row."""
    x = x.unflatten(3, (-1, size)).unflatten(2, (-1, size))  # [T, B, H/s, s, W/s, s, C]
    return x.transpose(3, 4).flatten(4, 5).flatten(1, 3)


def unwindows(x: Tensor, size: int, grid: Grid) -> Tensor:
    """The inverse of `windows` for maps of size `grid`: [T, B·nW, size², C] → [T, B, H, W, C]."""
    counts = grid[0] // size, grid[1] // size
    x = x.unflatten(2, (size, size)).unflatten(1, (-1, *counts))  # [T, B, H/s, W/s, s, s, C]
    return x.transpose(3, 4).flatten(4, 5).flatten(2, 3)


def position_index(size: int) -> Tensor:
    """Row of the bias table for every pair of tokens of a window, [size², size²]."""
    axis = torch.arange(size)
    points = torch.cartesian_prod(axis, axis).view(-1, 2)
    offset = points[:, None] - points[None] + size - 1
    return offset[..., 0] * (2 * size - 1) + offset[..., 1]


def shift_mask(grid: Grid, size: int, shift: int) -> Tensor:
    """-100 between tokens of a window that a cyclic shift brought together from afar, else 0; [nW, size², size²]."""
    bands = []
    for side in grid:
        band = torch.zeros(side)
        band[side - size :] = 1
        band[side - shift :] = 2
        bands.append(band)
    region = (3 * bands[0][:, None] + bands[1][None]).view(1, 1, *grid, 1)
    region = windows(region, size)[0, ..., 0]
    return torch.where(region[:, None] == region[:, :, None], 0.0, -100.0)


class MaskedWindowAttention(nn.Module):
    r"""Shifted-window attention of activations, tokens [T, B, N, C] of a map → alike.

    $$q,k,v=\phi(W_{q,k,v}x),\qquad A=\phi\big(m(q)\,m(k)^\top d^{-1/2}\big),\qquad
      y=\phi\big(W_p\,\phi(\mathrm{softmax}(m(A)+b)\,v)\big)$$

    with φ the neuron, b the learned bias of relative positions and m a random mask that keeps each entry with
    probability 1 - `masking_ratio`, without rescaling.

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        grid: height and width of the map.
        window: side of a window; divides both.
        shift: pixels by which the windows are moved.
        neuron: φ.
        masking_ratio: probability that an entry is masked.
        mask_at_test: whether masks are drawn in eval mode too.

    Source: Wang et al., "Masked Spiking Transformer", ICCV 2023; bic-L/Masked-Spiking-Transformer.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        grid: Grid,
        window: int,
        shift: int,
        neuron: NeuronConfig,
        masking_ratio: float = 0.0,
        mask_at_test: bool = False,
    ) -> None:
        super().__init__()
        if grid[0] % window or grid[1] % window:
            raise ConfigError(f"window={window} does not divide the sides {grid} of the maps")
        self.heads, self.grid, self.window, self.shift = heads, grid, window, shift
        self.masking_ratio = masking_ratio
        self.mask_at_test = mask_at_test
        self.scale = (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.q_neuron = neuron.build(channels=dim // heads, axis=-1)
        self.k_neuron = neuron.build(channels=dim // heads, axis=-1)
        self.v_neuron = neuron.build(channels=dim // heads, axis=-1)
        # Products of sparse spikes over √d and averages of v stay far below a full threshold.
        small = neuron.scaled_threshold(0.125)
        self.attention_neuron = small.build(channels=heads, axis=2)
        self.out_neuron = small.build(channels=dim, axis=-1)
        self.proj = nn.Linear(dim, dim)
        self.proj_neuron = neuron.build(channels=dim, axis=-1)
        self.bias = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.bias, std=0.02)
        self.register_buffer("index", position_index(window))
        self.register_buffer("mask", shift_mask(grid, window, shift) if shift else None)

    def forward(self, x: Tensor) -> Tensor:
        x = x.unflatten(2, grid_of(x.shape[2], self.grid))
        if self.shift:
            x = x.roll((-self.shift, -self.shift), (2, 3))
        x = unwindows(self.inside(windows(x, self.window)), self.window, self.grid)
        if self.shift:
            x = x.roll((self.shift, self.shift), (2, 3))
        return x.flatten(2, 3)

    def inside(self, x: Tensor) -> Tensor:
        """Attention among the tokens of each window, [T, B·nW, size², C] → alike."""
        q, k, v = (split_heads(part, self.heads) for part in self.qkv(x).chunk(3, dim=-1))
        q, k, v = self.masked(self.q_neuron(q)), self.masked(self.k_neuron(k)), self.v_neuron(v)
        a = self.masked(self.attention_neuron(q @ k.transpose(-2, -1) * self.scale))
        a = a + self.bias[self.index].permute(2, 0, 1)
        if self.mask is not None:
            a = (a.unflatten(1, (-1, self.mask.shape[0])) + self.mask[:, None]).flatten(1, 2)
        y = self.out_neuron(merge_heads(a.softmax(-1) @ v))
        return self.proj_neuron(self.proj(y))

    def masked(self, x: Tensor) -> Tensor:
        """m(x)."""
        if self.masking_ratio == 0.0 or not (self.training or self.mask_at_test):
            return x
        return x * (torch.rand_like(x) > self.masking_ratio)

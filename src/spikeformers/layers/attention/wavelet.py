"""Token mixing by a Haar wavelet transform on spikes."""

import math
from typing import Literal

import torch
from torch import Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.layers.time import over_time
from spikeformers.neurons import NeuronConfig

Order = Literal["parallel", "sequential"]


def haar_matrix(size: int, like: Tensor) -> Tensor:
    """The orthonormal Haar matrix [size, size], in the dtype and on the device of `like`.

    Its entries are rounded to single precision, whatever the dtype, as in the official code.

    Raises:
        ShapeError: the size is not a power of two.
    """
    if size < 1 or size & (size - 1):
        raise ShapeError(f"a Haar transform needs maps whose side is a power of two; got {size}")
    rows = torch.ones(1, 1, dtype=torch.float64, device=like.device)
    while rows.shape[0] < size:
        fine = torch.eye(rows.shape[0], dtype=torch.float64, device=like.device)
        averages = rows.repeat_interleave(2, dim=1) / math.sqrt(2.0)
        differences = torch.stack((fine, -fine), dim=2).flatten(1) / math.sqrt(2.0)
        rows = torch.cat((averages, differences))
    return rows.float().to(like.dtype)


class FrequencyAwareTokenMixer(nn.Module):
    r"""FATM: learned mixing of wavelet coefficients beside two convolutions, maps [T, B, C, H, W] → currents alike.

    With $s=S(x)$, the Haar matrices $H$ of each side (one and the same for a square), the signed neuron $N$ and $\ast$ a block-diagonal mixing of channels:

    $$w=S(\mathrm{BN}(H\,N(sH^\top))),\qquad h=\mathrm{BN}\big(H^\top N(N(\mathrm{BN}(w\ast W))\,H)\big),\qquad
      y=h+\mathrm{BN}(\mathrm{Conv}_1 s)+\mathrm{BN}(\mathrm{Conv}_3 s)$$

    Both convolutions are shared by the blocks of channels. With `order="sequential"` (events) $s$ and $h$ pass a 3×3
    max-pool of stride 1, the convolutions take $h$ instead of $s$, and $h$ itself is not added.

    Args:
        dim: channels C.
        blocks: into how many blocks the channels are split; divides `dim`.
        neuron: what fires on the way in and on the coefficients.
        wavelet_neuron: what fires between the one-dimensional transforms, with spikes of both signs.
        order: how the branches are joined.

    Raises:
        ConfigError: `blocks` does not divide `dim`.
        ShapeError: a side of the maps is not a power of two.

    Source: Fang et al., "Spiking Wavelet Transformer", ECCV 2024; bic-L/Spiking-Wavelet-Transformer.
    """

    def __init__(
        self,
        dim: int,
        blocks: int,
        *,
        neuron: NeuronConfig,
        wavelet_neuron: NeuronConfig,
        order: Order = "parallel",
    ) -> None:
        super().__init__()
        if blocks < 1 or dim % blocks:
            raise ConfigError(f"dim={dim} is not divisible by blocks={blocks}")
        self.blocks = blocks
        self.order = order
        width = dim // blocks
        self.neuron = neuron.build(channels=dim)
        self.forward_neuron = wavelet_neuron.build(channels=dim)
        self.forward_norm = nn.BatchNorm2d(dim)
        self.coefficient_neuron = neuron.build(channels=dim)
        self.weight = nn.Parameter(0.02 * torch.randn(blocks, width, width))
        self.weight_norm = nn.BatchNorm2d(dim)
        self.row_neuron = wavelet_neuron.build(channels=dim)
        self.column_neuron = wavelet_neuron.build(channels=dim)
        self.inverse_norm = nn.BatchNorm2d(dim)
        self.conv1 = nn.Conv2d(width, width, 1)
        self.conv1_norm = nn.BatchNorm2d(dim)
        self.conv3 = nn.Conv2d(width, width, 3, padding=1)
        self.conv3_norm = nn.BatchNorm2d(dim)
        self.dilate = nn.MaxPool2d(3, stride=1, padding=1) if order == "sequential" else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        s = over_time(self.dilate, self.neuron(x))
        h = over_time(self.dilate, self.wavelet(s))
        if self.order == "parallel":
            return h + self.shared(self.conv1, self.conv1_norm, s) + self.shared(self.conv3, self.conv3_norm, s)
        return self.shared(self.conv1, self.conv1_norm, h) + self.shared(self.conv3, self.conv3_norm, h)

    def wavelet(self, s: Tensor) -> Tensor:
        """Spikes [T, B, C, H, W] → transform, mix channels, transform back → currents of the same shape."""
        down, across = haar_matrix(s.shape[3], s), haar_matrix(s.shape[4], s)
        w = down @ self.forward_neuron(s @ across.T)
        w = self.coefficient_neuron(over_time(self.forward_norm, w))
        w = torch.einsum("tbndhw,ndk->tbnkhw", w.unflatten(2, (self.blocks, -1)), self.weight).flatten(2, 3)
        w = self.row_neuron(over_time(self.weight_norm, w)) @ across
        w = down.T @ self.column_neuron(w)
        return over_time(self.inverse_norm, w)

    def shared(self, conv: nn.Module, norm: nn.Module, x: Tensor) -> Tensor:
        """One convolution applied to every block of channels, then the norm over all of them."""
        y = conv(x.unflatten(2, (self.blocks, -1)).flatten(0, 2)).unflatten(0, (*x.shape[:2], self.blocks))
        return over_time(norm, y.flatten(2, 3))

"""The macro design of Meta-SpikeFormer: two convolution levels, then two transformer levels."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.conv import ConvNorm, LinearNorm, LinearNormNeuron, NeuronConvNorm
from spikeformers.layers.conv_mlp import ConvMLP
from spikeformers.layers.repconv import RepConv
from spikeformers.layers.time import over_time
from spikeformers.layers.tokens import Grid, to_maps, to_tokens
from spikeformers.neurons import NeuronConfig


class OnTokens(nn.Module):
    """Runs a module of tokens [T, B, N, C] on maps [T, B, C, H, W]."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> Tensor:
        return to_maps(self.inner(to_tokens(x)), *x.shape[3:])


class SeparableConv(nn.Module):
    r"""Inverted separable convolution, maps → currents: $\mathrm{BN}(W_2\,\mathrm{DW}_{7\times7}(S(\mathrm{BN}(W_1S(x)))))$."""

    def __init__(self, dim: int, *, neuron: NeuronConfig, ratio: int = 2, kernel_size: int = 7) -> None:
        super().__init__()
        hidden = ratio * dim
        self.expand = NeuronConvNorm(dim, hidden, 1, neuron=neuron)
        self.neuron = neuron.build(channels=hidden)
        self.depth = nn.Conv2d(hidden, hidden, kernel_size, padding=kernel_size // 2, groups=hidden, bias=False)
        self.project = ConvNorm(hidden, dim, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(over_time(self.depth, self.neuron(self.expand(x))))


class SpikeSeparableConv(nn.Module):
    """Inverted separable convolution with neuron and norm at each of its three convolutions, maps → currents."""

    def __init__(self, dim: int, *, neuron: NeuronConfig, ratio: int = 2, kernel_size: int = 7) -> None:
        super().__init__()
        hidden = ratio * dim
        self.expand = NeuronConvNorm(dim, hidden, 1, neuron=neuron)
        self.depth = NeuronConvNorm(hidden, hidden, kernel_size, neuron=neuron, groups=hidden)
        self.project = NeuronConvNorm(hidden, dim, 1, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.depth(self.expand(x)))


class MetaConvBlock(nn.Module):
    """x ← x + separable(x); x ← x + channel(x), where `channel` is two full 3×3 convolutions with a wide middle."""

    def __init__(self, dim: int, separable: nn.Module, *, neuron: NeuronConfig, ratio: float) -> None:
        super().__init__()
        self.separable = separable
        self.channel = ConvMLP(dim, round(dim * ratio), kernel_size=3, bias=False, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.separable(x)
        return x + self.channel(x)


class RepAttention(nn.Module):
    r"""Attention with re-parameterizable projections R, maps [T, B, C, H, W] → currents alike.

    $$z=S(x),\qquad q,k,v=S(R_{q,k,v}z),\qquad y=R_p\,A(q,k,v)$$

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires.
        operator: A; which projections there are follows from what it takes.
        attention_neuron: what fires in the operator, before its factor on the threshold; None is `neuron`.
        grid: height and width of the map; None is a square.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        neuron: NeuronConfig,
        operator: AttentionConfig,
        attention_neuron: NeuronConfig | None = None,
        grid: Grid | None = None,
    ) -> None:
        super().__init__()
        self.inputs = operator.inputs
        self.neuron = neuron.build(channels=dim)
        for name in self.inputs:
            self.add_module(name, RepConv(dim, dim))
            self.add_module(f"{name}_neuron", neuron.build(channels=dim))
        self.operator = operator.build(dim, heads, neuron=attention_neuron or neuron, grid=grid)
        self.proj = RepConv(dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        z = self.neuron(x)
        parts = (self.get_submodule(f"{name}_neuron")(self.get_submodule(name)(z)) for name in self.inputs)
        a = self.operator(to_tokens(z), *map(to_tokens, parts))
        return self.proj(to_maps(a, *x.shape[3:]))


class ScaledBlock(nn.Module):
    r"""Transformer block with learned channel scales: $x\leftarrow x+\lambda_1\odot A(x)$, $x\leftarrow x+\lambda_2\odot M(x)$, on maps."""

    def __init__(self, dim: int, attention: nn.Module, mlp: nn.Module, *, init_scale: float) -> None:
        super().__init__()
        self.attention = attention
        self.mlp = mlp
        self.scale1 = nn.Parameter(torch.full((dim,), init_scale))
        self.scale2 = nn.Parameter(torch.full((dim,), init_scale))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x) * self.scale1.view(-1, 1, 1)
        return x + self.mlp(x) * self.scale2.view(-1, 1, 1)


class WideAttention(nn.Module):
    r"""Attention with values r times as wide as queries and keys, maps [T, B, C, H, W] → currents alike.

    $$z=S(x),\qquad q,k,v=S(\mathrm{BN}(W_{q,k,v}z)),\qquad y=\mathrm{BN}(W_p\,A(q,k,v))$$

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        neuron: what fires.
        operator: A; which projections there are follows from what it takes.
        value_ratio: width of the values over `dim`, r.
        grid: height and width of the map; None is a square.

    Source: Yao et al., T-PAMI 2025, arXiv:2411.16061; BICLab/Spike-Driven-Transformer-V3.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        *,
        neuron: NeuronConfig,
        operator: AttentionConfig,
        value_ratio: int = 4,
        grid: Grid | None = None,
    ) -> None:
        super().__init__()
        wide = value_ratio * dim
        self.inputs = operator.inputs
        self.neuron = neuron.build(channels=dim)
        for name in self.inputs:
            self.add_module(name, LinearNormNeuron(dim, wide if name == "v" else dim, bias=False, neuron=neuron))
        self.operator = operator.build(dim, heads, neuron=neuron, value_dim=wide, grid=grid)
        self.proj = LinearNorm(wide, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        z = to_tokens(self.neuron(x))
        a = self.operator(z, *(self.get_submodule(name)(z) for name in self.inputs))
        return to_maps(self.proj(a), *x.shape[3:])


class MetaTrunk(nn.Module):
    """Image → maps at strides 4, 8, 16 and 16, finest first.

    Five levels, each a convolution and blocks: widths c₁/2, c₁, c₂ with 1, 1, 2 convolution blocks, then c₃ and c₄ with
    transformer blocks. All but the last halve the map.

    Args:
        in_channels: channels of the image.
        dims: the four widths c₁…c₄.
        depths: transformer blocks of the last two levels.
        neuron: what fires before every convolution between levels but the first.
        conv_block, block: make a convolution block and a transformer block of a width.

    Source: Yao et al., ICLR 2024; BICLab/Spike-Driven-Transformer-V2.
    """

    def __init__(
        self,
        in_channels: int,
        dims: tuple[int, int, int, int],
        depths: tuple[int, int],
        *,
        neuron: NeuronConfig,
        conv_block: Callable[[int], nn.Module],
        block: Callable[[int], nn.Module],
    ) -> None:
        super().__init__()
        widths = [dims[0] // 2, *dims]
        self.downs = nn.ModuleList([ConvNorm(in_channels, widths[0], 7, stride=2, bias=True)])
        for level in range(4):
            stride = 1 if level == 3 else 2
            self.downs.append(
                NeuronConvNorm(widths[level], widths[level + 1], 3, stride=stride, bias=True, neuron=neuron)
            )
        makers = [(conv_block, 1), (conv_block, 1), (conv_block, 2), (block, depths[0]), (block, depths[1])]
        self.levels = nn.ModuleList(
            nn.Sequential(*(make(width) for _ in range(count)))
            for width, (make, count) in zip(widths, makers, strict=True)
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        maps = []
        for down, blocks in zip(self.downs, self.levels, strict=True):
            x = blocks(down(x))
            maps.append(x)
        return maps[1:]

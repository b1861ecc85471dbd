"""Spiking experts mixture: experts whose spikes a spiking router gates, in attention and in the perceptron."""

from collections import OrderedDict
from typing import Literal

import torch
from torch import Tensor, nn

from spikeformers.layers.attention.product import qkv_product
from spikeformers.layers.attention.spiking import Residual
from spikeformers.layers.conv import ConvNormNeuron, LinearNorm, LinearNormNeuron
from spikeformers.layers.tokens import Grid, grid_of, to_maps, to_tokens
from spikeformers.neurons import NeuronConfig

Routing = Literal["token", "interleaved"]
"""How router outputs [experts, tokens] meet the tokens: each its own, or re-read as [tokens, experts] without moving."""


class ExpertAttention(nn.Module):
    r"""EMSA: experts with a query each share keys and values, tokens [T, B, N, C] → [T, B, N, C].

    $$o_i=S(s\,q_ik^\top v),\qquad y=S\Big(\mathrm{BN}\big(W_p\textstyle\sum_i r_{:,i}\odot o_i\big)\Big),\qquad
      q_i,k,v,r=S(\mathrm{BN}(W x))$$

    With `residual="membrane"` the input passes a neuron first and the output is the current $\mathrm{BN}(W_p\,\cdot)$.

    Args:
        dim: channels C.
        experts: number of experts, which is the number of router outputs r.
        expert_dim: channels of every q_i and of k.
        value_dim: channels of v.
        neuron: what fires.
        scale: s.
        bias: whether the projections to q, k and v have one.
        norm: whether k and v are normalised.
        routing: how router outputs meet the tokens.
        residual: which kind of block this branch belongs to.

    Source: Zhou et al., "Spiking Transformer with Experts Mixture", NeurIPS 2024; Fancyssc/STEP cls/models/static.
    """

    def __init__(
        self,
        dim: int,
        *,
        experts: int,
        expert_dim: int,
        value_dim: int,
        neuron: NeuronConfig,
        scale: float,
        bias: bool,
        norm: bool = True,
        routing: Routing = "token",
        residual: Residual = "sew",
    ) -> None:
        super().__init__()
        self.scale = scale
        self.routing = routing
        self.neuron = neuron.build(channels=dim, axis=-1) if residual == "membrane" else nn.Identity()
        unit = LinearNormNeuron if norm else linear_neuron
        self.k = unit(dim, expert_dim, bias=bias, neuron=neuron)
        self.v = unit(dim, value_dim, bias=bias, neuron=neuron)
        self.router = LinearNormNeuron(dim, experts, bias=True, neuron=neuron)
        self.experts = nn.ModuleList(
            [LinearNormNeuron(dim, expert_dim, bias=bias, neuron=neuron) for _ in range(experts)]
        )
        self.attn_neurons = nn.ModuleList([neuron.build(channels=value_dim, axis=-1) for _ in range(experts)])
        self.proj = last_unit(value_dim, dim, neuron=neuron, residual=residual)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(x)
        k, v, gates = self.k(x), self.v(x), self.router(x)
        if self.routing == "interleaved":
            gates = gates.transpose(2, 3).reshape(gates.shape)
        outputs = [
            neuron(qkv_product(expert(x), k, v, self.scale)) * gates[..., i : i + 1]
            for i, (expert, neuron) in enumerate(zip(self.experts, self.attn_neurons, strict=True))
        ]
        return self.proj(torch.stack(outputs).sum(0))


def linear_neuron(in_features: int, out_features: int, *, bias: bool, neuron: NeuronConfig) -> nn.Sequential:
    """Linear layer and neuron on tokens [T, B, N, C], without a norm."""
    parts = {
        "linear": nn.Linear(in_features, out_features, bias=bias),
        "neuron": neuron.build(channels=out_features, axis=-1),
    }
    return nn.Sequential(OrderedDict(parts))


def last_unit(in_features: int, out_features: int, *, neuron: NeuronConfig, residual: Residual) -> nn.Module:
    """The projection that ends a branch: with a neuron where spikes are added, without where currents are."""
    if residual == "membrane":
        return LinearNorm(in_features, out_features, bias=True)
    return LinearNormNeuron(in_features, out_features, bias=True, neuron=neuron)


class ExpertMLP(nn.Module):
    r"""EMSP: half of the hidden channels, spread over 3×3 places, gate the other half, tokens [T, B, N, C] → [T, B, N, C].

    $$h_1,h_2=S(\mathrm{BN}(W_1x)),\qquad y=S\big(\mathrm{BN}(W_2(S(\mathrm{BN}(\mathrm{DW}_{3\times3}h_1))\odot h_2))\big)$$

    With `residual="membrane"` the input passes a neuron first and the output is a current.

    Args:
        dim: channels in and out.
        hidden: channels between; even.
        neuron: what fires.
        depthwise_bias: whether the depth-wise convolution has a bias.
        residual: which kind of block this branch belongs to.
        grid: height and width of the map; None is a square.

    Raises:
        ShapeError: the tokens are not those of the map.

    Source: as `ExpertAttention`.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        *,
        neuron: NeuronConfig,
        depthwise_bias: bool,
        residual: Residual = "sew",
        grid: Grid | None = None,
    ) -> None:
        super().__init__()
        self.grid = grid
        half = hidden // 2
        self.neuron = neuron.build(channels=dim, axis=-1) if residual == "membrane" else nn.Identity()
        self.fc1 = LinearNormNeuron(dim, hidden, bias=True, neuron=neuron)
        self.gate = ConvNormNeuron(half, half, groups=half, bias=depthwise_bias, neuron=neuron)
        self.fc2 = last_unit(half, dim, neuron=neuron, residual=residual)

    def forward(self, x: Tensor) -> Tensor:
        height, width = grid_of(x.shape[2], self.grid)
        first, second = self.fc1(self.neuron(x)).chunk(2, dim=3)
        return self.fc2(to_tokens(self.gate(to_maps(first, height, width))) * second)

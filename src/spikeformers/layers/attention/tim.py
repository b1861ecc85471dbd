"""Temporal interaction: each step's queries mixed with what the steps before made of theirs."""

import torch
from torch import Tensor, nn

from spikeformers.core.carry import State, Stateful
from spikeformers.core.errors import ShapeError
from spikeformers.layers.attention.product import qkv_product
from spikeformers.layers.conv import LinearNormNeuron
from spikeformers.layers.tokens import merge_heads, split_heads
from spikeformers.neurons import NeuronConfig


class TemporalInteraction(Stateful):
    r"""TIM: a recurrence over the queries, [T, B, h, N, d] → [T, B, h, N, d].

    $$o_1=q_1,\qquad o_t=S_o\big(\alpha\,S_i(\mathrm{Conv}_5(o_{t-1}))+(1-\alpha)\,q_t\big)$$

    The convolution runs along d with the N tokens as its channels, so the number of tokens is fixed.

    Args:
        tokens: N.
        neuron: what fires.
        alpha: weight of the past.
        in_threshold, out_threshold: thresholds of S_i and S_o, as factors of the neuron's own.

    Raises:
        ShapeError: another number of tokens.

    Source: Shen et al., "TIM: An Efficient Temporal Interaction Module for Spiking Transformer", IJCAI 2024;
    BrainCog-X/Brain-Cog examples/TIM.
    """

    def __init__(
        self, tokens: int, *, neuron: NeuronConfig, alpha: float, in_threshold: float, out_threshold: float
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.interactor = nn.Conv1d(tokens, tokens, 5, padding=2)
        self.in_neuron = neuron.scaled_threshold(in_threshold).build(channels=tokens, axis=-2)
        self.out_neuron = neuron.scaled_threshold(out_threshold).build(channels=tokens, axis=-2)

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        if x.shape[3] != self.interactor.in_channels:
            raise ShapeError(
                f"temporal interaction was built for {self.interactor.in_channels} tokens; got {x.shape[3]}"
            )
        state = dict(state or {})
        outputs = []
        for query in x:
            if "o" not in state:
                state["o"] = query
            else:
                past = self.interactor(state["o"].flatten(0, 1).to(query.dtype)).view(query.shape)
                mixed = self.alpha * _one_step(self.in_neuron, past, state, "in.") + (1 - self.alpha) * query
                state["o"] = _one_step(self.out_neuron, mixed, state, "out.")
            outputs.append(state["o"])
        return torch.stack(outputs), state


def _one_step(neuron: nn.Module, x: Tensor, state: State, prefix: str) -> Tensor:
    """Run a neuron for one step with its states kept in `state` under a prefix."""
    if not isinstance(neuron, Stateful):
        return neuron(x.unsqueeze(0))[0]
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    y, after = neuron.scan(x.unsqueeze(0), own or None)
    state.update({prefix + name: value for name, value in after.items()})
    return y[0]


class TemporalSelfAttention(nn.Module):
    r"""Spiking self-attention whose queries pass `TemporalInteraction`, tokens [T, B, N, C] → [T, B, N, C].

    Args:
        dim: channels C.
        heads: number of heads; divides `dim`.
        tokens: N.
        neuron: what fires.
        scale: factor on q·k·v.
        alpha: weight of the past in the interaction.
        thresholds: of S_i, S_o and the neuron after the product, as factors of the neuron's own.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        tokens: int,
        *,
        neuron: NeuronConfig,
        scale: float,
        alpha: float,
        thresholds: tuple[float, float, float],
    ) -> None:
        super().__init__()
        self.heads = heads
        self.scale = scale
        self.q = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.k = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.v = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)
        self.interaction = TemporalInteraction(
            tokens, neuron=neuron, alpha=alpha, in_threshold=thresholds[0], out_threshold=thresholds[1]
        )
        self.attn_neuron = neuron.scaled_threshold(thresholds[2]).build(channels=dim, axis=-1)
        self.proj = LinearNormNeuron(dim, dim, bias=False, neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (split_heads(project(x), self.heads) for project in (self.q, self.k, self.v))
        attended = merge_heads(qkv_product(self.interaction(q), k, v, self.scale))
        return self.proj(self.attn_neuron(attended))

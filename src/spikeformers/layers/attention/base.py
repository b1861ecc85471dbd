"""Attention by name: what spiking queries, keys and values make of each other between their projections."""

from dataclasses import dataclass
from typing import ClassVar, Self

from torch import nn

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError
from spikeformers.core.registry import Registry
from spikeformers.layers.tokens import Grid
from spikeformers.neurons import NeuronConfig

ATTENTIONS: Registry["AttentionConfig"] = Registry("attention", "spikeformers.layers.attention")


@dataclass(frozen=True, kw_only=True)
class AttentionConfig(Config):
    """Abstract: an attention operator. It owns no weights but those of its neuron; projections belong to the model."""

    registry: ClassVar = ATTENTIONS
    causal: ClassVar[bool] = True
    """Whether a step never depends on later ones."""
    inputs: ClassVar[str] = "qkv"
    """Which projections it takes."""

    def build(
        self,
        dim: int,
        heads: int,
        *,
        neuron: NeuronConfig,
        value_dim: int | None = None,
        grid: Grid | None = None,
    ) -> nn.Module:
        """The module: spikes z [T, B, N, C] and those projected from them, in the order of `inputs`, to spikes.

        Args:
            dim: channels C of z, queries and keys.
            heads: divides `dim` and `value_dim`.
            neuron: what fires.
            value_dim: channels of the values and of the output; None is `dim`.
            grid: height and width of the map that the tokens are of; None is a square.

        Raises:
            ConfigError: the operator cannot work with these sizes.
        """
        raise NotImplementedError

    def check_steps(self, timesteps: int) -> None:
        """Raises ConfigError where the operator cannot work with so many steps."""

    def for_one_step(self) -> Self:
        """The same operator in a network that runs for one step."""
        return self


def check_values(name: str, dim: int, value_dim: int | None) -> None:
    """Raises ConfigError unless values are as wide as keys."""
    if value_dim not in (None, dim):
        raise ConfigError(
            f"attention {name!r} works channel by channel, so values must be as wide as keys ({dim}), not {value_dim}; "
            "choose an attention that multiplies queries with keys, such as 'ssa', or equal widths"
        )

"""What isotropic families share: a stem, then equal blocks on one grid of tokens, then a head on the mean over them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from spikeformers.core.types import FeatureInfo
from spikeformers.layers.attention.base import AttentionConfig
from spikeformers.layers.attention.spiking import Residual, SpikingSelfAttention
from spikeformers.layers.checks import check_heads, check_pools, map_size
from spikeformers.layers.residual import ResidualBlock
from spikeformers.layers.stems import SPSConfig, StemConfig
from spikeformers.layers.tokens import to_maps, to_tokens
from spikeformers.models.base import ModelConfig, SpikingModel
from spikeformers.neurons import NeuronConfig


@dataclass(frozen=True, kw_only=True)
class PooledConfig(ModelConfig):
    """Abstract: a model with a stem of four units of widths dim/8, dim/4, dim/2 and dim, each of which may halve the map."""

    dim: int = 512
    """Embedding width; divisible by 8."""
    pools: str = "1111"
    """For each of the four stem units, whether it max-pools by 2: 1111 ImageNet and events, 0011 CIFAR."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_pools(self.dim, self.pools, self.img_size)

    @property
    def stride(self) -> int:
        """Pixels per token side."""
        return 2 ** self.pools.count("1")

    @property
    def pooling(self) -> tuple[bool, ...]:
        """`pools`, as a truth value for every stem unit."""
        return tuple(digit == "1" for digit in self.pools)


@dataclass(frozen=True, kw_only=True)
class IsotropicConfig(PooledConfig):
    """Abstract: a model of `depth` equal blocks of attention and perceptron behind a stem that may be chosen."""

    dim: int = 512
    """Embedding width; divisible by 8 and by heads."""
    depth: int = 8
    """Number of blocks."""
    heads: int = 8
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    stem: StemConfig = SPSConfig()
    """From images to tokens."""

    def __post_init__(self) -> None:
        check_heads(self.dim, self.heads)
        super().__post_init__()
        self.stem.check(self.pools, self.img_size)

    def build_stem(self) -> nn.Module:
        """The stem for images of `in_channels`."""
        return self.stem.build(self.in_channels, self.dim, pools=self.pools, neuron=self.neuron)

    def build_blocks(
        self,
        operator: AttentionConfig,
        mlp: Callable[..., nn.Module],
        *,
        residual: Residual,
        qkv_bias: bool = False,
    ) -> Iterator[nn.Module]:
        """The blocks, one after the other.

        Args:
            operator: what queries, keys and values make of each other.
            mlp: makes the perceptron from its width, its hidden width and `neuron`.
            residual: what is added to what.
            qkv_bias: whether the projections to queries, keys and values have a bias.
        """
        grid = map_size(self.img_size, self.stride)
        for _ in range(self.depth):
            attention = SpikingSelfAttention(
                self.dim,
                self.heads,
                neuron=self.neuron,
                operator=operator,
                qkv_bias=qkv_bias,
                residual=residual,
                grid=grid,
            )
            yield ResidualBlock(attention, mlp(self.dim, round(self.dim * self.mlp_ratio), neuron=self.neuron))


class IsotropicModel(SpikingModel):
    """Abstract: image → stem → blocks on tokens → mean over tokens → [neuron] → linear head, per step.

    Args:
        config: of the model.
        stem: images → maps of `dim` channels.
        blocks: modules of tokens, in their order.
        dim: channels of every block.
        stride: pixels per token side.
        head_neuron: what fires on the mean over tokens; None for nothing.
    """

    def __init__(
        self,
        config: ModelConfig,
        stem: nn.Module,
        blocks: Iterable[nn.Module],
        *,
        dim: int,
        stride: int,
        head_neuron: NeuronConfig | None = None,
    ) -> None:
        super().__init__(config)
        self.stem = stem
        self.blocks = nn.Sequential(*blocks)
        self.head_neuron = nn.Identity() if head_neuron is None else head_neuron.build(channels=dim, axis=-1)
        self.head = nn.Linear(dim, config.num_classes)
        self.feature_info = [FeatureInfo(dim, stride, "blocks")]

    def pyramid(self, x: Tensor) -> list[Tensor]:
        maps = self.stem(x)
        return [to_maps(self.blocks(to_tokens(maps)), *maps.shape[3:])]

    def classify(self, x: Tensor) -> Tensor:
        return self.head(self.head_neuron(x.flatten(3).mean(3)))

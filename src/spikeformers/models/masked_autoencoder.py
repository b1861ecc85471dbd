"""Masked autoencoder: a spiking model that sees some patches of an image, and a small decoder that draws the others."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from spikeformers.core.config import Config
from spikeformers.core.errors import CheckpointError, ConfigError, ShapeError
from spikeformers.layers.checks import check_heads, check_stride, map_size
from spikeformers.layers.init import truncated_normal
from spikeformers.layers.time import is_repeated, repeat
from spikeformers.layers.visible import Visible
from spikeformers.layers.vit import PlainBlock, wave_positions
from spikeformers.models.base import MODELS, ModelConfig, SpikingModel, load_strictly
from spikeformers.models.official import OfficialArgs, Shapes, count_blocks
from spikeformers.weights.io import read_state_dict
from spikeformers.weights.mae import decoder_rules
from spikeformers.weights.rules import Rule, Rules

ENCODER = "encoder."
"""Before the names of the spiking model's tensors in an autoencoder's state dict."""


@dataclass(frozen=True, kw_only=True)
class DecoderConfig(Config):
    """What draws the hidden patches, a plain transformer; thrown away after pre-training."""

    dim: int = 256
    """Embedding width; divisible by 4 and by heads."""
    depth: int = 4
    """Transformer blocks."""
    heads: int = 4
    """Attention heads."""
    mlp_ratio: float = 4.0
    """Hidden width of the MLP over dim."""
    tokens: Literal["masked", "released"] = "masked"
    """What it is given: at hidden patches a learned token, elsewhere the encoder's; or, as the released SpikMAE code does,
    all of the encoder's tokens in a random order."""

    def __post_init__(self) -> None:
        if min(self.dim, self.depth) < 1 or not self.mlp_ratio > 0:
            raise ConfigError(
                f"dim={self.dim}, depth={self.depth} and mlp_ratio={self.mlp_ratio} of a decoder must be above 0"
            )
        check_heads(self.dim, self.heads)
        if self.dim % 4:
            low = max(4, self.dim // 4 * 4)
            raise ConfigError(f"dim={self.dim} of a decoder is not divisible by 4; nearest valid: {low}, {low + 4}")


@dataclass(frozen=True, kw_only=True)
class MaskedAutoencoderConfig(Config):
    """A spiking model, and a decoder to pre-train it with."""

    encoder: ModelConfig
    """What is pre-trained, less its head; a patch is one cell of its last map."""
    decoder: DecoderConfig = DecoderConfig()
    """What draws the hidden patches."""
    channels: int = 3
    """Channels of the images that are drawn."""

    def __post_init__(self) -> None:
        if self.channels < 1:
            raise ConfigError(f"channels={self.channels} must be above 0")

    @property
    def family(self) -> str:
        """What it is called in messages."""
        return f"masked autoencoder of {self.encoder.family}"

    def build(self) -> "MaskedAutoencoder":
        """The autoencoder, freshly initialized.

        Raises:
            ConfigError: the model's map has one cell only, or does not tile the image.
        """
        return MaskedAutoencoder(self)


@dataclass(frozen=True)
class Mask:
    """What of a batch of images is hidden.

    Attributes:
        ranks: [B, N], in every row a random order of the patches.
        keep: patches of each image that stay visible: those of the lowest ranks.
    """

    ranks: Tensor
    keep: int

    @property
    def visible(self) -> Tensor:
        """[B, N], True where visible."""
        return self.ranks < self.keep


def draw_mask(
    batch: int,
    patches: int,
    ratio: float,
    device: torch.device | str = "cpu",
    generator: torch.Generator | None = None,
) -> Mask:
    """Hide the share `ratio` of every image's patches, at random and at least one; at least one stays visible.

    Args:
        batch: images.
        patches: of each.
        ratio: between 0 and 1.
        device: of the mask.
        generator: on the CPU, to draw with; None draws with torch's own of the device.
    """
    noise = torch.rand(batch, patches, device=device if generator is None else "cpu", generator=generator).to(device)
    keep = min(max(int(patches * (1 - ratio)), 1), patches - 1)
    return Mask(noise.argsort(1).argsort(1), keep)


class Decoder(nn.Module):
    """Tokens of the encoder [B, N, C] → pixels of every patch [B, N, P].

    Args:
        config: its sizes.
        width: channels C of the encoder's tokens.
        grid: patches per column and per row.
        pixels: values P of a patch.
    """

    positions: Tensor

    def __init__(self, config: DecoderConfig, width: int, grid: tuple[int, int], pixels: int) -> None:
        super().__init__()
        self.embed = nn.Linear(width, config.dim)
        self.mask_token = None
        if config.tokens == "masked":
            self.mask_token = nn.Parameter(torch.zeros(1, 1, config.dim))
            nn.init.normal_(self.mask_token, std=0.02)
        self.register_buffer("positions", wave_positions(config.dim, *grid)[None])
        self.blocks = nn.Sequential(
            *(PlainBlock(config.dim, config.heads, config.mlp_ratio) for _ in range(config.depth))
        )
        self.norm = nn.LayerNorm(config.dim, eps=1e-6)
        self.predict = nn.Linear(config.dim, pixels)
        truncated_normal(self)

    def forward(self, tokens: Tensor, mask: Mask | None) -> Tensor:
        x = self.embed(tokens)
        if mask is not None and self.mask_token is not None:
            x = torch.where(mask.visible[..., None], x, self.mask_token.to(x.dtype))
        elif mask is not None:
            x = x.gather(1, mask.ranks[..., None].expand_as(x))
        return self.predict(self.norm(self.blocks(x + self.positions)))


class MaskedAutoencoder(nn.Module):
    r"""Images, partly hidden → pixels of every patch: $\hat y = D(\mathrm{BN}(\frac1T\sum_t E(m\odot x)_t))$.

    Hidden patches are zero, and stay so through the encoder's convolutions (see `Visible`); from the first layer that
    works on tokens on, all take part. Sources: Yao et al., arXiv:2411.16061 (SpikMAE; the released code is followed, but
    for `tokens="masked"`); Zhou et al., arXiv:2401.02020 (Spikformer V2); He et al., 'Masked autoencoders', CVPR 2022.
    """

    def __init__(self, config: MaskedAutoencoderConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = without_head(config.encoder.build())
        last = self.encoder.feature_info[-1]
        self.patch = last.reduction
        check_stride(config.encoder.img_size, self.patch, flat=False)
        self.grid = map_size(config.encoder.img_size, self.patch)
        if self.grid == (1, 1):
            raise ConfigError(
                f"img_size={config.encoder.img_size} is one patch of {config.encoder.family!r} ({self.patch} pixels a "
                f"side), so nothing can be hidden; give at least img_size={2 * self.patch}"
            )
        self.norm = nn.BatchNorm1d(last.channels)
        self.decoder = Decoder(config.decoder, last.channels, self.grid, self.patch**2 * config.channels)
        self.visible = Visible()

    def forward(self, x: Tensor, mask: Mask | None = None) -> Tensor:
        """Images [B, C, H, W] or [T, B, C, H, W] → pixels of every patch [1, B, N, P], in the order of `patches`."""
        self.visible.tell(self.encoder, None if mask is None else mask.visible.unflatten(1, self.grid))
        if mask is not None:
            x = self.hide(x, mask)
        tokens = self.encoder.features(x)[-1].mean(0).flatten(2)
        return self.decoder(self.norm(tokens).transpose(1, 2), mask)[None]

    def hide(self, x: Tensor, mask: Mask) -> Tensor:
        """Images [..., B, C, H, W] with zero in hidden patches."""
        if x.dim() == 5 and is_repeated(x):
            return repeat(self.hide(x[0], mask), x.shape[0])
        cells = mask.visible.unflatten(1, self.grid)
        fine = cells.repeat_interleave(self.patch, 1).repeat_interleave(self.patch, 2)
        return x * fine[:, None].to(x.dtype)

    def patches(self, images: Tensor) -> Tensor:
        """Images [B, C, H, W] → patches row by row, each pixel by pixel with channels last, [B, N, P]."""
        height, width = (side * self.patch for side in self.grid)
        if images.dim() != 4 or images.shape[2:] != (height, width):
            raise ShapeError(f"{self.config.family} draws [B, C, {height}, {width}]; got {tuple(images.shape)}")
        tiles = images.unfold(2, self.patch, self.patch).unfold(3, self.patch, self.patch)
        return tiles.permute(0, 2, 3, 4, 5, 1).flatten(3).flatten(1, 2)

    def images(self, patches: Tensor) -> Tensor:
        """The inverse of `patches`: [B, N, P] → [B, C, H, W]."""
        tiles = patches.unflatten(2, (self.patch, self.patch, -1)).unflatten(1, self.grid)
        return tiles.permute(0, 5, 1, 3, 2, 4).flatten(4, 5).flatten(2, 3)


def without_head(model: SpikingModel) -> SpikingModel:
    """The same model without what stands behind its features; it then gives features only."""
    for name in model.readout_parts:
        if getattr(model, name, None) is not None:
            setattr(model, name, None)
    return model


def autoencoder_rules(config: ModelConfig) -> Rules:
    """Rules from the official names of a masked autoencoder around a model to ours."""
    own = [Rule(r.official, r.ours and ENCODER + r.ours, r.trailing) for r in config.official_rules().rules]
    return Rules([*own, *decoder_rules()])


def autoencoder_from_official(
    family: str,
    state_dict: Mapping[str, Tensor],
    parity: bool = False,
    decoder_num_heads: int = 4,
    **official_constructor_arguments: Any,
) -> MaskedAutoencoder:
    """Build a masked autoencoder from an official pre-training checkpoint and load it.

    Args:
        family: of the encoder, such as "sdt_v3_large".
        state_dict: official names → tensors.
        parity: give the decoder its tokens in a random order, as the released code does.
        decoder_num_heads: attention heads of the decoder, which no shape tells.
        official_constructor_arguments: as in `from_official`.

    Returns:
        The autoencoder in eval mode.

    Raises:
        ConfigError: unknown family or argument.
        CheckpointError: tensors left over on either side.
    """
    shapes = Shapes({name: tensor.shape for name, tensor in state_dict.items()})
    args = OfficialArgs(family, official_constructor_arguments, parity, state_dict)
    width = shapes["decoder_embed.weight"]
    # The official pre-training has no head; any one lets the family's own reader tell the rest.
    encoder = MODELS.entry(family).cls.from_official(
        Shapes({**shapes, "head.weight": torch.Size((1000, width[1]))}), args
    )
    args.done(in_channels=encoder.in_channels)
    decoder = DecoderConfig(
        dim=width[0],
        depth=count_blocks(shapes, "decoder_blocks"),
        heads=decoder_num_heads,
        mlp_ratio=shapes["decoder_blocks.0.mlp.fc1.weight"][0] / width[0],
        tokens="released" if parity else "masked",
    )
    model = MaskedAutoencoderConfig(encoder=encoder, decoder=decoder, channels=encoder.in_channels).build()
    if any(tensor.dtype == torch.float64 for tensor in state_dict.values()):
        model = model.double()
    tensors = autoencoder_rules(encoder).to_ours(state_dict)
    if parity:
        tensors.pop("decoder.mask_token", None)
    load_strictly(model, tensors)
    return model.eval()


def load_autoencoder(model: MaskedAutoencoder, path: str | Path) -> str:
    """Load a file of a pre-training, ours or official, into the whole autoencoder, decoder included.

    Returns:
        One sentence that says so.

    Raises:
        CheckpointError: the file cannot be read or does not fit.
    """
    tensors = {name: value for name, value in read_state_dict(path).items() if "/" not in name}
    try:
        if "decoder_embed.weight" in tensors:
            tensors = autoencoder_rules(model.config.encoder).to_ours(tensors)
            if model.decoder.mask_token is None:
                tensors.pop("decoder.mask_token", None)
        load_strictly(model, tensors)
    except CheckpointError as error:
        raise CheckpointError(f"{path} does not fit the {model.config.family}: {error}") from None
    return f"started from {path}, decoder included"

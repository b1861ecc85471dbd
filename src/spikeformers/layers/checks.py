"""Checks of sizes that many models share."""

from spikeformers.core.errors import ConfigError


def check_heads(dim: int, heads: int) -> None:
    """Raises ConfigError unless `heads` divides `dim`; names the nearest widths that fit."""
    if heads < 1:
        raise ConfigError(f"heads={heads} must be at least 1")
    if dim % heads:
        low = dim // heads * heads
        raise ConfigError(f"dim={dim} is not divisible by heads={heads}; nearest valid: {low}, {low + heads}")


def check_hidden(hidden: int) -> None:
    """Raises ConfigError unless a perceptron has hidden channels."""
    if hidden < 1:
        raise ConfigError(
            f"the perceptron gets {hidden} hidden channels, but needs one at least; take a larger mlp_ratio"
        )


def height_width(img_size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of an image of this size; one number means a square."""
    return (img_size, img_size) if isinstance(img_size, int) else img_size


def check_eighths(dim: int) -> None:
    """Raises ConfigError unless a stem can start at an eighth of its final width `dim`; names the nearest that fit."""
    if dim % 8:
        low = max(dim // 8 * 8, 8)
        raise ConfigError(
            f"dim={dim} is not divisible by 8 (the stem starts at dim / 8 channels); nearest valid: {low}, {low + 8}"
        )


def check_pools(dim: int, pools: str, img_size: int | tuple[int, int]) -> None:
    """Raises ConfigError unless a four-unit stem of final width `dim` can be built with these pooling stages."""
    check_eighths(dim)
    if len(pools) != 4 or set(pools) - {"0", "1"}:
        raise ConfigError(f"pools={pools!r} must be four digits 0 or 1, such as '0011'")
    check_stride(img_size, 2 ** pools.count("1"))


def check_stride(img_size: int | tuple[int, int], stride: int, *, flat: bool = True) -> None:
    """Raises ConfigError unless `stride` divides height and width; names the nearest sizes that fit.

    Args:
        img_size: of the input.
        stride: pixels per side of a cell of the coarsest map.
        flat: whether an axis of one pixel is taken as well; layers that pad leave it at one, others lose it.
    """
    for side in dict.fromkeys(height_width(img_size)):
        if side < 1 or (side % stride and not (flat and side == 1)):
            low = max(side // stride * stride, stride)
            which = f"img_size={img_size}" if isinstance(img_size, int) else f"{side} of img_size={img_size}"
            raise ConfigError(f"{which} is not divisible by the stride {stride}; nearest valid: {low}, {low + stride}")


def map_size(img_size: int | tuple[int, int], stride: int) -> tuple[int, int]:
    """Height and width of a map whose cells are `stride` pixels a side; at least one cell."""
    height, width = height_width(img_size)
    return -(-height // stride), -(-width // stride)


def check_stages(dim: int, depths: tuple[int, ...], stem_stride: int, img_size: int | tuple[int, int]) -> None:
    """Raises ConfigError unless a hierarchy of these depths, widths doubling up to `dim`, fits the image."""
    if not depths or min(depths) < 1:
        raise ConfigError(f"depths={depths} must give at least one block for every stage")
    halvings = len(depths) - 1
    if dim % (1 << halvings):
        low = max(dim >> halvings, 1) << halvings
        raise ConfigError(
            f"dim={dim} cannot be halved {halvings} times for {len(depths)} stages; nearest valid: {low}, {low + (1 << halvings)}"
        )
    check_stride(img_size, stem_stride << halvings)

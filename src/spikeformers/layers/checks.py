"""Checks of sizes that many models share."""

from spikeformers.core.errors import ConfigError


def check_heads(dim: int, heads: int) -> None:
    """Raises ConfigError unless `heads` divides `dim`; names the nearest widths that fit."""
    if heads < 1:
        raise ConfigError(f"heads={heads} must be at least 1")
    if dim % heads:
        low = dim // heads * heads
        raise ConfigError(f"dim={dim} is not divisible by heads={heads}; nearest valid: {low}, {low + heads}")

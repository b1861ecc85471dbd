"""Pictures in the usual formats (PNG, JPEG, …), read by Pillow."""

import io
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError


def read_picture(path: Path, channels: int, size: int) -> Tensor:
    """A picture [channels, size, size] of bytes: the shorter side scaled to `size`, the middle square kept.

    Args:
        path: the file.
        channels: 1 for gray, 3 for color; the other is converted.
        size: side of the square, in pixels.

    Raises:
        DataError: Pillow is not installed, or the file is no readable picture.
    """
    _pillow()
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: not a readable picture: {error}") from None
    return parse_picture(data, str(path), channels, size)


def parse_picture(data: bytes, origin: str, channels: int, size: int) -> Tensor:
    """As `read_picture`, from the bytes of a file that is called `origin` in messages.

    Raises:
        DataError: as `read_picture`.
    """
    image = _pillow()
    try:
        with image.open(io.BytesIO(data)) as opened:
            picture = opened.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, image.DecompressionBombError) as error:
        raise DataError(f"{origin}: not a readable picture: {error}") from None
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = picture.resize((size, size), image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = torch.from_numpy(np.asarray(square).copy())
    return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1)


def check_square(size: int, channels: int, mean: Sequence[float], std: Sequence[float]) -> None:
    """Refuse what no picture can be brought to.

    Raises:
        ConfigError: no such size or number of channels, or mean and std do not fit the channels.
    """
    if size < 1 or channels not in (1, 3):
        raise ConfigError(f"size={size} must be at least 1 and channels={channels} must be 1 or 3")
    if len(mean) != channels or len(std) != channels or min(std) <= 0:
        raise ConfigError(
            f"mean={tuple(mean)} and std={tuple(std)} need one number for each of the {channels} channels, std above 0"
        )


def write_picture(path: Path, pixels: np.ndarray) -> None:
    """Write bytes [H, W, 3] or [H, W] in the format that the name ends in.

    Raises:
        DataError: Pillow is not installed.
    """
    _pillow().fromarray(pixels).save(path)


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading pictures needs Pillow; install the extra: pip install 'spikeformers[vision]'"
        ) from None
    module: ModuleType = Image
    return module

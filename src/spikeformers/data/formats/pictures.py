"""Pictures in the usual formats (PNG, JPEG, …), read by Pillow."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError


def read_picture(path: Path, channels: int, size: int) -> Tensor:
    """A picture [channels, size, size] of bytes: the shorter side scaled to `size`, the middle square kept.

    Args:
        path: the file.
        channels: 1 for gray, 3 for color; the other is converted.
        size: side of the square, in pixels.

    Raises:
        DataError: Pillow is not installed, or the file is no readable picture.
    """
    try:
        from PIL import Image
    except ImportError:
        raise DataError(
            "reading pictures needs Pillow; install the extra: pip install 'spikeformers[vision]'"
        ) from None
    try:
        with Image.open(path) as opened:
            picture = opened.convert("L" if channels == 1 else "RGB")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: not a readable picture: {error}") from None
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    square = picture.resize((size, size), Image.Resampling.BILINEAR, box=(left, top, left + side, top + side))
    pixels = torch.from_numpy(np.asarray(square).copy())
    return pixels.unsqueeze(0) if channels == 1 else pixels.permute(2, 0, 1)

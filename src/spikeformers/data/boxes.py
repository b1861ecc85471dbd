"""Targets of detection: boxes in pixels, a fixed number of rows a sample."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import DataError

BOX_COLUMNS = 5
"""Class, left, top, width, height."""
NO_BOX = -1
"""Class of a row that holds no box."""


def pad_boxes(boxes: Sequence[np.ndarray], most: int, names: Sequence[str]) -> Tensor:
    """Boxes of samples as [n, most, 5]: class, left, top, width, height; rows without a box have class -1.

    Args:
        boxes: of each sample [m, 5].
        most: rows of each.
        names: of the samples, for messages.

    Raises:
        DataError: a sample has more boxes.
    """
    out = torch.zeros(len(boxes), most, BOX_COLUMNS)
    out[:, :, 0] = NO_BOX
    for row, (found, name) in enumerate(zip(boxes, names, strict=True)):
        if len(found) > most:
            raise DataError(f"{name} has {len(found)} boxes, more than most_boxes={most}; raise it")
        out[row, : len(found)] = torch.from_numpy(found.astype(np.float32))
    return out


def check_boxes(boxes: np.ndarray, classes: int, origin: str) -> None:
    """Refuse boxes [m, 5] that cannot be.

    Raises:
        DataError: names the first that is not finite, has no area, or is of an unknown class.
    """
    label, wide, high = boxes[:, 0], boxes[:, 3], boxes[:, 4]
    faults = {
        "is not finite": ~np.isfinite(boxes).all(1),
        f"has a class outside 0 … {classes - 1}": (label < 0) | (label >= classes),
        "has no area": (wide <= 0) | (high <= 0),
    }
    for fault, wrong in faults.items():
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            kind, x, y, w, h = boxes[row].tolist()
            raise DataError(f"{origin}: box {row} (class {kind:g}, x={x:g}, y={y:g}, w={w:g}, h={h:g}) {fault}")

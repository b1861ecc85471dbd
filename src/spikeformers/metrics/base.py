"""What every metric is: sums that can be added up over batches, processes and interrupted runs."""

from typing import Any

import torch
from torch import Tensor


class Metric:
    """Abstract: named float64 or int64 sums, and what follows from them.

    A final metric fills `sums` in `update` and writes `compute`. Because its state is sums only, two metrics of parts
    merge into that of the whole, whatever the order.
    """

    def __init__(self) -> None:
        self.sums: dict[str, Tensor] = {}

    def update(self, *args: Any) -> None:
        """Take in one batch."""
        raise NotImplementedError

    def compute(self) -> dict[str, float]:
        """The metric's values so far, by name; NaN where nothing was taken in."""
        raise NotImplementedError

    def merge(self, sums: dict[str, Tensor]) -> None:
        """Add the sums of another metric of the same kind."""
        for name, value in sums.items():
            self.add(name, value)

    def add(self, name: str, value: Tensor) -> None:
        """Add to one sum, which starts at 0."""
        value = value.detach().cpu()
        value = value.to(torch.float64 if value.is_floating_point() else torch.int64)
        self.sums[name] = self.sums[name] + value if name in self.sums else value


def ratio(part: Tensor | None, whole: Tensor | None) -> float:
    """part / whole, NaN where there is nothing."""
    return float(part) / float(whole) if part is not None and whole is not None and float(whole) else float("nan")

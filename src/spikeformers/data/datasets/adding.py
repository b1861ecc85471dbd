"""The adding problem: two of many numbers are marked; their sum must be told at the end."""

from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.computed import ComputedConfig


@DATASETS.register(
    "adding", source="Hochreiter & Schmidhuber, Neural Computation 9(8), 1997; Le et al., arXiv:1504.00941"
)
@dataclass(frozen=True, kw_only=True)
class AddingConfig(ComputedConfig):
    """Adding problem, computed: steps [T, 2] of a number in [0, 1) and a mark; the target is the sum of the marked two.

    One mark falls into each half. Always answering 1 has the mean squared error 1/6. Targets are numbers, not classes.
    """

    length: int = 100
    """Time steps T."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(length=2)

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title=f"Adding problem over {self.length} steps",
            classes=(),
            shape=(self.length, 2),
            mean=(0.0, 0.0),
            std=(1.0, 1.0),
            license="none needed, computed",
            source="computed; S. Hochreiter & J. Schmidhuber 1997 in the form of Q. V. Le et al., arXiv:1504.00941",
            sizes=self.sizes,
            split="three independent draws with seed",
            layout="no files: computed from seed; targets are floating-point sums",
            mirror=False,
            unit_range=False,
            generated=True,
        )

    def draw(self, count: int, source: Generator) -> tuple[Tensor, Tensor]:
        half, rows = self.length // 2, torch.arange(count)
        numbers = torch.rand(count, self.length, generator=source)
        marks = torch.zeros_like(numbers)
        marks[rows, torch.randint(0, half, (count,), generator=source)] = 1
        marks[rows, torch.randint(half, self.length, (count,), generator=source)] = 1
        return torch.stack([numbers, marks], 2), (numbers * marks).sum(1)

"""The adding problem: two of many numbers are marked; their sum must be told at the end."""

from dataclasses import dataclass

import torch

from spikeformers.core.errors import ConfigError
from spikeformers.core.rng import generator
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.samples import ArraySamples, Samples, Splits

PARTS = ("train", "val", "test")


@DATASETS.register(
    "adding", source="Hochreiter & Schmidhuber, Neural Computation 9(8), 1997; Le et al., arXiv:1504.00941"
)
@dataclass(frozen=True, kw_only=True)
class AddingConfig(DataConfig):
    """Adding problem, computed: steps [T, 2] of a number in [0, 1) and a mark; the target is the sum of the marked two.

    One mark falls into each half. Always answering 1 has the mean squared error 1/6. Targets are numbers, not classes.
    """

    length: int = 100
    """Time steps T."""
    samples: int = 10000
    """Training samples."""
    eval_samples: int = 1000
    """Samples of the validation part, and of the test part."""
    seed: int = 0
    """Of the draw; the parts are drawn apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("length", 2), ("samples", 1), ("eval_samples", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {least}")

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
            sizes={"train": self.samples, "val": self.eval_samples, "test": self.eval_samples},
            split="three independent draws with seed",
            layout="no files: computed from seed; targets are floating-point sums",
            mirror=False,
            unit_range=False,
            generated=True,
        )

    def read(self) -> Splits:
        return Splits(*[self._part(which) for which in range(len(PARTS))])

    def _part(self, which: int) -> Samples:
        count = self.samples if which == 0 else self.eval_samples
        drawn, half = generator(self.seed, which), self.length // 2
        numbers = torch.rand(count, self.length, generator=drawn)
        marks = torch.zeros_like(numbers)
        rows = torch.arange(count)
        marks[rows, torch.randint(0, half, (count,), generator=drawn)] = 1
        marks[rows, torch.randint(half, self.length, (count,), generator=drawn)] = 1
        inputs, sums = torch.stack([numbers, marks], 2), (numbers * marks).sum(1)
        return ArraySamples(inputs, sums, f"{self.family} seed {self.seed} {PARTS[which]}")

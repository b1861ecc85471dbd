"""Image datasets read as sequences: pixel after pixel or row after row. The sequence is the time axis of the network."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.datasets.cifar import CIFAR10Config
from spikeformers.data.datasets.mnist import FashionMNISTConfig, MNISTConfig
from spikeformers.data.samples import Indices, Samples, Splits


@DATASETS.register(
    "sequential",
    variants={
        "permuted_pixels": {"permutation_seed": 0},
        "rows": {"step": "row"},
        "permuted_rows": {"step": "row", "permutation_seed": 0},
        "sequential_mnist": {"images": MNISTConfig()},
        "permuted_mnist": {"images": MNISTConfig(), "permutation_seed": 0},
        "mnist_rows": {"images": MNISTConfig(), "step": "row"},
        "sequential_cifar10": {"images": CIFAR10Config()},
        "permuted_cifar10": {"images": CIFAR10Config(), "permutation_seed": 0},
        "cifar10_rows": {"images": CIFAR10Config(), "step": "row"},
    },
    source="Le, Jaitly & Hinton, arXiv:1504.00941 (sequential and permuted pixels)",
)
@dataclass(frozen=True, kw_only=True)
class SequentialConfig(DataConfig):
    """Images as sequences [T, features]: pixels (T = H·W) or rows (T = H) in order or in one fixed random order."""

    images: DataConfig = FashionMNISTConfig()
    """The images. Their split is kept; `root` above overrides theirs."""
    step: Literal["pixel", "row"] = "pixel"
    """What one time step brings: a pixel with its channels, or a row with its channels."""
    permutation_seed: int | None = None
    """Seed of the fixed order of the steps, the same for every sample; None keeps the natural order."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.images.info.shape) != 3:
            raise ConfigError(
                f"{self.images.info.title} has shape {self.images.info.shape}; images [C, H, W] are needed"
            )

    @property
    def info(self) -> DatasetInfo:
        of = self.images.info
        channels, height, width = of.shape
        shape = (height * width, channels) if self.step == "pixel" else (height, channels * width)
        repeat = 1 if self.step == "pixel" else width
        order = "" if self.permutation_seed is None else f" in the fixed order of seed {self.permutation_seed}"
        return replace(
            of,
            title=f"{of.title}, one {self.step} a step{order}",
            shape=shape,
            mean=tuple(m for m in of.mean for _ in range(repeat)),
            std=tuple(s for s in of.std for _ in range(repeat)),
        )

    def order(self) -> Tensor:
        """Which step of the natural order comes at each time."""
        steps = self.info.shape[0]
        if self.permutation_seed is None:
            return torch.arange(steps)
        return torch.randperm(steps, generator=torch.Generator().manual_seed(self.permutation_seed))

    def read(self) -> Splits:
        images = self.images if self.root is None else self.images.but(root=self.root)
        parts = images.build()
        return Splits(*[_Sequences(part, self) for part in (parts.train, parts.val, parts.test)])

    def fake(self, n: int, root: Path) -> None:
        self.images.fake(n, root)


class _Sequences(Samples):
    """Images as sequences [n, T, features]."""

    def __init__(self, images: Samples, config: SequentialConfig) -> None:
        self._images, self._by_row, self._order = images, config.step == "row", config.order()

    def __len__(self) -> int:
        return len(self._images)

    def inputs(self, indices: Indices) -> Tensor:
        x = self._images.inputs(indices)
        steps = x.transpose(1, 2).flatten(2) if self._by_row else x.flatten(2).transpose(1, 2)
        return steps[:, self._order]

    def targets(self, indices: Indices) -> Tensor:
        return self._images.targets(indices)

    def name(self, index: int) -> str:
        return self._images.name(index)

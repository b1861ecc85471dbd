"""Problems that are computed: sequences drawn from a seed, as many as asked for, no files."""

from dataclasses import dataclass
from pathlib import Path

from torch import Generator, Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.core.rng import generator
from spikeformers.data.base import DataConfig
from spikeformers.data.samples import ArraySamples, Splits


@dataclass(frozen=True, kw_only=True)
class ComputedConfig(DataConfig):
    """Abstract: a problem whose three parts are independent draws."""

    samples: int = 10000
    """Training samples."""
    eval_samples: int = 1000
    """Samples of the validation part, and of the test part."""
    seed: int = 0
    """Of the draws."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.root is not None:
            raise ConfigError(f"root={self.root!r}: {self.info.title} is computed and reads no files; leave root unset")
        self.at_least(samples=1, eval_samples=1)

    def at_least(self, **bounds: int) -> None:
        """Refuse fields below their bounds.

        Raises:
            ConfigError: names the first one.
        """
        for name, least in bounds.items():
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {least}")

    @property
    def sizes(self) -> dict[str, int]:
        """Samples of each part."""
        return {"train": self.samples, "val": self.eval_samples, "test": self.eval_samples}

    def draw(self, count: int, source: Generator) -> tuple[Tensor, Tensor]:
        """Inputs [count, T, D] and targets [count, ...]."""
        raise NotImplementedError

    def read(self) -> Splits:
        parts = []
        for which, (part, count) in enumerate(self.sizes.items()):
            inputs, targets = self.draw(count, generator(self.seed, which))
            parts.append(ArraySamples(inputs, targets, f"{self.family} seed {self.seed} {part}"))
        return Splits(*parts)

    def fake(self, n: int, root: Path) -> None:
        """Nothing: there are no files."""

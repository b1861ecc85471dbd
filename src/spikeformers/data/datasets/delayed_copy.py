"""The delayed-copy problem: symbols are shown, then nothing, then they must be told in order."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from spikeformers.core.errors import ConfigError
from spikeformers.core.rng import generator
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.samples import ArraySamples, Samples, Splits

PARTS = ("train", "val", "test")


@DATASETS.register(
    "delayed_copy",
    source="Hochreiter & Schmidhuber, Neural Computation 9(8), 1997; Arjovsky, Shah & Bengio, arXiv:1511.06464 (form)",
)
@dataclass(frozen=True, kw_only=True)
class DelayedCopyConfig(DataConfig):
    """Delayed copy, computed: one-hot steps [T, symbols + 2] and what to tell at each step [T].

    Steps bring `items` random symbols, then `delay` blanks of which the last is the call to answer, then `items` blanks.
    The target is 0 (blank) until the call, then the symbols 1 … symbols in their order. T = 2·items + delay. Answering
    blank, then at random, has the mean cross-entropy items·ln(symbols)/T.
    """

    symbols: int = 8
    """Different symbols."""
    items: int = 10
    """Symbols to remember."""
    delay: int = 10
    """Steps between the last symbol and the first answer."""
    samples: int = 10000
    """Training samples."""
    eval_samples: int = 1000
    """Samples of the validation part, and of the test part."""
    seed: int = 0
    """Of the draw; the parts are drawn apart."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("symbols", 2), ("items", 1), ("delay", 1), ("samples", 1), ("eval_samples", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least {least}")

    @property
    def info(self) -> DatasetInfo:
        features = self.symbols + 2
        return DatasetInfo(
            title=f"Delayed copy of {self.items} symbols over {self.delay} steps",
            classes=("blank", *(f"symbol {i + 1}" for i in range(self.symbols))),
            shape=(2 * self.items + self.delay, features),
            mean=(0.0,) * features,
            std=(1.0,) * features,
            license="none needed, computed",
            source="computed; S. Hochreiter & J. Schmidhuber 1997 in the form of M. Arjovsky et al., arXiv:1511.06464",
            sizes={"train": self.samples, "val": self.eval_samples, "test": self.eval_samples},
            split="three independent draws with seed; sequences may coincide by chance only",
            layout="no files: computed from seed; targets are one class a step",
            mirror=False,
            unit_range=False,
            generated=True,
        )

    def read(self) -> Splits:
        return Splits(*[self._part(which) for which in range(len(PARTS))])

    def _part(self, which: int) -> Samples:
        count = self.samples if which == 0 else self.eval_samples
        shown = torch.randint(1, self.symbols + 1, (count, self.items), generator=generator(self.seed, which))
        blanks = torch.zeros(count, self.delay + self.items, dtype=torch.int64)
        blanks[:, self.delay - 1] = self.symbols + 1  # the call to answer
        inputs = F.one_hot(torch.cat([shown, blanks], 1), self.symbols + 2).float()
        return ArraySamples(inputs, self._targets(shown), f"{self.family} seed {self.seed} {PARTS[which]}")

    def _targets(self, shown: Tensor) -> Tensor:
        return torch.cat([torch.zeros(len(shown), self.items + self.delay, dtype=torch.int64), shown], 1)

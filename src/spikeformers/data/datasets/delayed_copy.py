"""The delayed-copy problem: symbols are shown, then nothing, then they must be told in order."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from spikeformers.data.base import DATASETS, DatasetInfo
from spikeformers.data.computed import ComputedConfig


@DATASETS.register(
    "delayed_copy",
    source="Hochreiter & Schmidhuber, Neural Computation 9(8), 1997; Arjovsky, Shah & Bengio, arXiv:1511.06464 (form)",
)
@dataclass(frozen=True, kw_only=True)
class DelayedCopyConfig(ComputedConfig):
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

    def __post_init__(self) -> None:
        super().__post_init__()
        self.at_least(symbols=2, items=1, delay=1)

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
            sizes=self.sizes,
            split="three independent draws with seed; sequences may coincide by chance only",
            layout="no files: computed from seed; targets are one class a step",
            mirror=False,
            unit_range=False,
            generated=True,
        )

    def draw(self, count: int, source: Generator) -> tuple[Tensor, Tensor]:
        shown = torch.randint(1, self.symbols + 1, (count, self.items), generator=source)
        blanks = torch.zeros(count, self.delay + self.items, dtype=torch.int64)
        call = blanks.clone()
        call[:, self.delay - 1] = self.symbols + 1
        inputs = F.one_hot(torch.cat([shown, call], 1), self.symbols + 2).float()
        return inputs, torch.cat([blanks, shown], 1)

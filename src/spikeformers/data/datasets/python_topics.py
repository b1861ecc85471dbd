"""Python's own documentation: the reference topics that every Python carries for its help()."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.folders import check_fractions
from spikeformers.data.samples import Samples, Splits, stratified
from spikeformers.data.text.corpus import check_passages, token_names
from spikeformers.data.text.passages import cut_passages, joined
from spikeformers.data.text.tokenizers import Bytes, TokenizerConfig

LAYOUT = "TOPIC.txt, one UTF-8 text a topic (without root: the topics of the running Python)"


@DATASETS.register("python_topics", source="Python Software Foundation, pydoc_data")
@dataclass(frozen=True, kw_only=True)
class PythonTopicsConfig(DataConfig):
    """Python's documentation: inputs [L] tokens of documents packed one behind the other, targets the next tokens."""

    tokenizer: TokenizerConfig = Bytes()
    """How text becomes tokens; learned from the training part."""
    length: int = 256
    """Tokens L of a sample."""
    stride: int = 256
    """Tokens between the starts of two training samples; validation and test samples never overlap."""
    val_fraction: float = 0.1
    """Share of the documents that is the validation part."""
    test_fraction: float = 0.1
    """Share of the documents that is the test part."""
    split_seed: int = 0
    """Seed of the split and of the order of the documents."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_passages(self.length, self.stride)
        check_fractions(self.test_fraction, self.val_fraction)

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="Python topics",
            classes=token_names(self.tokenizer),
            shape=(self.length,),
            mean=(0.0,),
            std=(1.0,),
            license="PSF License Version 2",
            source="Python Software Foundation: The Python Language Reference, as pydoc carries it",
            sizes={"topics": 79},
            split="by document, drawn with split_seed: 80 % train, 10 % validation, 10 % test. Number and text of the topics "
            "are those of the running Python (79 in 3.11)",
            layout=LAYOUT,
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        documents = self._documents()
        if len(documents) < 3:
            raise DataError(f"{self.root}: {len(documents)} documents, and three parts need three; wanted {LAYOUT}")
        names = sorted(documents)
        parts = stratified(torch.zeros(len(names)), (self.test_fraction, self.val_fraction), self.split_seed)
        test, val, train = ([names[i] for i in part.tolist()] for part in parts)
        if not test or not val:
            raise ConfigError(
                f"test_fraction={self.test_fraction} or val_fraction={self.val_fraction} leaves no document"
            )
        made = self.tokenizer.fit(b"\n".join(documents[name] for name in train), "the training documents")

        def cut(part: str, chosen: list[str], stride: int) -> Samples:
            text = joined([made.encode(documents[name], name) for name in chosen])
            return cut_passages(text, self.length, stride, part)

        return Splits(
            train=cut("train", train, self.stride),
            val=cut("val", val, self.length),
            test=cut("test", test, self.length),
        )

    def _documents(self) -> dict[str, bytes]:
        if self.root is None:
            from pydoc_data.topics import topics

            return {name: text.encode() for name, text in topics.items()}
        folder = Path(self.root)
        paths = sorted(folder.glob("*.txt")) if folder.is_dir() else []
        if not paths:
            raise DataError(self._missing([folder]))
        return {path.stem: path.read_bytes() for path in paths}

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for i in range(max(n, 30)):
            text = " ".join(rng.choice(["def", "class", "import", "lambda:", "»yield«"], 12 + self.length // 4))
            (root / f"topic{i}.txt").write_text(text, encoding="utf-8")

"""enwik8: the first 100 million bytes of a dump of the English Wikipedia."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.download import RemoteFile
from spikeformers.data.samples import Splits
from spikeformers.data.text.corpus import check_passages, passages, token_names
from spikeformers.data.text.tokenizers import Bytes, TokenizerConfig

FILE = "enwik8"


@DATASETS.register("enwik8", source="Mahoney, Large Text Compression Benchmark")
@dataclass(frozen=True, kw_only=True)
class Enwik8Config(DataConfig):
    """enwik8: inputs [L] tokens of Wikipedia text, targets [L] the tokens that follow each."""

    tokenizer: TokenizerConfig = Bytes()
    """How text becomes tokens; published results in bits per character are over bytes."""
    length: int = 1024
    """Tokens L of a sample."""
    stride: int = 1024
    """Tokens between the starts of two training samples; validation and test samples never overlap."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_passages(self.length, self.stride)

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="enwik8",
            classes=token_names(self.tokenizer),
            shape=(self.length,),
            mean=(0.0,),
            std=(1.0,),
            license="CC BY-SA 3.0 and GFDL (Wikipedia)",
            source="M. Mahoney, Large Text Compression Benchmark; Wikimedia Foundation",
            sizes={"bytes": 100_000_000},
            split="by place: the first 90 % (90,000,000 bytes) train, the next 5 % validation, the last 5 % test",
            layout=f"{FILE}: the text, 100,000,000 bytes (md5 a1fa5ffddb56f4953e226637dabbb36a)",
            files=(RemoteFile("enwik8.zip", "http://mattmahoney.net/dc/enwik8.zip", unpack=True),),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        path = self.locate(FILE) / FILE
        try:
            text = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error}") from None
        ends = [len(text) * 90 // 100, len(text) * 95 // 100]
        parts = [text[: ends[0]], text[ends[0] : ends[1]], text[ends[1] :]]
        names = [f"{FILE}[{part}]" for part in ("train", "val", "test")]
        return passages(parts, names, self.tokenizer, self.length, self.stride)

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        words = np.random.default_rng(0).integers(97, 123, max(n, 60) * (self.length + 1)).astype(np.uint8)
        words[::7] = 32
        (root / FILE).write_bytes(words.tobytes())

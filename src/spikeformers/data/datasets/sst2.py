"""SST-2: sentences of film reviews, negative or positive, in the layout of GLUE."""

from dataclasses import dataclass
from pathlib import Path

import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation
from spikeformers.data.download import RemoteFile
from spikeformers.data.samples import ArraySamples, Indices, Splits
from spikeformers.data.text.tokenizers import END, Bytes, Tokenizer, TokenizerConfig

FILES = ("train.tsv", "dev.tsv")
HEADER = "sentence\tlabel"
Row = tuple[str, int, int]
"""Sentence, label, line in its file."""


@DATASETS.register("sst2", source="Socher et al., EMNLP 2013; Wang et al., arXiv:1804.07461 (GLUE)")
@dataclass(frozen=True, kw_only=True)
class SST2Config(DataConfig):
    """SST-2: sentences as tokens [L], each negative or positive; short ones are filled with token 0 at their end."""

    tokenizer: TokenizerConfig = Bytes()
    """How text becomes tokens; learned from the training part."""
    length: int = 128
    """Tokens L; longer sentences are cut."""
    val_fraction: float = 0.05
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.length < 1:
            raise ConfigError(f"length={self.length} must be at least 1")

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="SST-2",
            classes=("negative", "positive"),
            shape=(self.length,),
            mean=(0.0,),
            std=(1.0,),
            license="none stated; free for research with citation",
            source="R. Socher et al., EMNLP 2013; GLUE, A. Wang et al., arXiv:1804.07461",
            sizes={"train": 67349, "test": 872},
            split="the official dev part (872) is tested on, as the labels of the official test are not public; validation is "
            "cut from train with split_seed, every class in equal measure. The training part holds phrases of one sentence "
            "several times, so validation and training share words",
            layout=f"SST-2/train.tsv\nSST-2/dev.tsv: each a line {HEADER!r}, then a sentence and 0 or 1 on every line",
            files=(
                RemoteFile(
                    "SST-2.zip",
                    "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
                    "md5:9f81648d4199384278b86e315dac217c",
                    unpack=True,
                ),
            ),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*FILES, inside=("SST-2",))
        train, test = (_rows(folder / name) for name in FILES)
        made = self.tokenizer.fit("\n".join(sentence for sentence, _, _ in train).encode(), FILES[0])
        kept, val = carve_validation(self._samples(train, made, FILES[0]), self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=self._samples(test, made, FILES[1]))

    def _samples(self, rows: list[Row], made: Tokenizer, origin: str) -> "Sentences":
        tokens = torch.full((len(rows), self.length), END, dtype=torch.int32)
        for row, (sentence, _, line) in zip(tokens, rows, strict=True):
            found = made.encode(sentence.encode(), f"{origin} line {line}")[: self.length]
            row[: len(found)] = found
        labels = torch.tensor([label for _, label, _ in rows])
        return Sentences(tokens, labels, origin, names=[f"line {line}" for _, _, line in rows])

    def fake(self, n: int, root: Path) -> None:
        (root / "SST-2").mkdir(parents=True, exist_ok=True)
        for name in FILES:
            lines = [HEADER, *[f"{('a dull', 'a lively')[i % 2]} film no. {i} \t{i % 2}" for i in range(n)]]
            (root / "SST-2" / name).write_text("\n".join(lines) + "\n", encoding="utf-8", newline="")


class Sentences(ArraySamples):
    """Rows of tokens [n, L], whole numbers."""

    def inputs(self, indices: Indices) -> torch.Tensor:
        return super().inputs(indices).long()


def _rows(path: Path) -> list[Row]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not a readable UTF-8 file: {error}") from None
    if lines[0].rstrip("\r") != HEADER:
        raise DataError(f"{path} line 1: {lines[0][:40]!r} where {HEADER!r} is wanted")
    rows = []
    for number, line in enumerate(lines[1:], start=2):
        if not line.strip():
            continue
        sentence, tab, label = line.rstrip("\r").rpartition("\t")
        if not tab or not sentence.strip() or label not in ("0", "1"):
            raise DataError(f"{path} line {number}: {line[:60]!r} is not a sentence, a tab, and 0 or 1")
        rows.append((sentence, int(label), number))
    if not rows:
        raise DataError(f"{path}: no sentences after the header")
    return rows

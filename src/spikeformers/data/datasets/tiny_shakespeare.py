"""Tiny Shakespeare: 1,115,394 characters of plays, for character-level language models."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.download import RemoteFile
from spikeformers.data.samples import Splits
from spikeformers.data.text.passages import Passages

FILE = "input.txt|tinyshakespeare.txt|tiny-shakespeare.txt"
ALPHABET = "\n !$&',-.3:;?ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
"""All 65 characters that occur, in the order of their codes; position is token."""


@DATASETS.register("tiny_shakespeare", source="Karpathy, karpathy/char-rnn")
@dataclass(frozen=True, kw_only=True)
class TinyShakespeareConfig(DataConfig):
    """Tiny Shakespeare as characters: inputs [L] tokens, targets [L] the tokens that follow each."""

    length: int = 256
    """Characters L of a sample."""
    stride: int = 256
    """Characters between the starts of two training samples; validation and test samples never overlap."""
    val_fraction: float = 0.05
    """Share of the text, after the training part, that is the validation part."""
    test_fraction: float = 0.05
    """Share of the text, at its end, that is the test part."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("length", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if min(self.test_fraction, self.val_fraction) <= 0 or self.test_fraction + self.val_fraction >= 1:
            raise ConfigError(
                f"test_fraction={self.test_fraction} and val_fraction={self.val_fraction} must be above 0 "
                "and leave something to train on"
            )

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="Tiny Shakespeare",
            classes=tuple(ALPHABET),
            shape=(self.length,),
            mean=(0.0,),
            std=(1.0,),
            license="public domain",
            source="W. Shakespeare; gathered by A. Karpathy, karpathy/char-rnn",
            sizes={"characters": 1115394},
            split="by place in the text: the first 90 % train, the next 5 % validation, the last 5 % test",
            layout=f"{FILE.split('|')[0]}: the text, ASCII",
            files=(
                RemoteFile(
                    "input.txt",
                    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                ),
            ),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(FILE)
        path = next(folder / name for name in FILE.split("|") if (folder / name).exists())
        tokens = tokenize(path.read_bytes(), path)
        total = len(tokens)
        ends = [int(total * (1 - self.val_fraction - self.test_fraction)), int(total * (1 - self.test_fraction)), total]
        parts = []
        for first, last, stride in zip([0, *ends[:-1]], ends, [self.stride, self.length, self.length], strict=True):
            starts = torch.tensor(range(first, last - self.length, stride))
            if not len(starts):
                raise ConfigError(f"length={self.length} is longer than a part of the text ({last - first} characters)")
            parts.append(Passages(tokens, starts, self.length, path.name))
        return Splits(*parts)

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        count = int(n * (self.length + 1) / min(self.val_fraction, self.test_fraction, 0.5)) // 10
        generator = torch.Generator().manual_seed(0)
        draw = torch.randint(len(ALPHABET), (max(count, 64 * self.length),), generator=generator).tolist()
        (root / FILE.split("|")[0]).write_text("".join(ALPHABET[i] for i in draw), encoding="ascii", newline="")


def tokenize(text: bytes, path: Path) -> Tensor:
    """Characters as tokens [N].

    Raises:
        DataError: a character is not of the alphabet, or there are none.
    """
    table = torch.full((256,), 255, dtype=torch.uint8)
    table[list(ALPHABET.encode("ascii"))] = torch.arange(len(ALPHABET), dtype=torch.uint8)
    if not text:
        raise DataError(f"{path}: an empty text")
    tokens = table[torch.frombuffer(bytearray(text), dtype=torch.uint8).long()]
    wrong = (tokens == 255).nonzero().flatten()
    if len(wrong):
        at = int(wrong[0])
        raise DataError(
            f"{path}: byte 0x{text[at]:02x} at byte {at} is none of the {len(ALPHABET)} characters of the text"
        )
    return tokens

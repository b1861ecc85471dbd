"""Text to tokens and back: bytes, characters, byte-pair encoding. Token 0 ends a document and fills short rows."""

import abc
import codecs
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.registry import Registry

TOKENIZERS: Registry["TokenizerConfig"] = Registry("tokenizer", "spikeformers.data.text")

END = 0
"""Token that ends a document and fills what a row leaves free; no text contains it."""
UNICODE = 0x110000


class Tokenizer(abc.ABC):
    """Abstract: a fixed vocabulary."""

    @abc.abstractmethod
    def encode(self, text: bytes, origin: str) -> Tensor:
        """Tokens [N] (int32) of UTF-8 text.

        Raises:
            DataError: not UTF-8; names the place in `origin`.
        """

    @abc.abstractmethod
    def decode(self, tokens: Tensor) -> str:
        """The text of tokens; ends of documents are left out."""


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig(Config):
    """Abstract: how a tokenizer is made from the training text."""

    registry: ClassVar = TOKENIZERS

    @property
    def count(self) -> int:
        """Tokens of the vocabulary, whatever the text."""
        raise NotImplementedError

    def fit(self, text: bytes, origin: str) -> Tokenizer:
        """The tokenizer for a training text.

        Raises:
            DataError: not UTF-8, or a package or file is missing.
        """
        raise NotImplementedError


@TOKENIZERS.register("bytes")
@dataclass(frozen=True, kw_only=True)
class Bytes(TokenizerConfig):
    """Every byte is a token: 256 of them, and nothing to learn."""

    @property
    def count(self) -> int:
        return 256

    def fit(self, text: bytes, origin: str) -> Tokenizer:
        return _Bytes()


class _Bytes(Tokenizer):
    def encode(self, text: bytes, origin: str) -> Tensor:
        return torch.from_numpy(np.frombuffer(text, np.uint8).astype(np.int32))

    def decode(self, tokens: Tensor) -> str:
        return bytes(token for token in tokens.tolist() if token != END).decode("utf-8", errors="replace")


@TOKENIZERS.register("characters")
@dataclass(frozen=True, kw_only=True)
class Characters(TokenizerConfig):
    """The most frequent characters of the training text are tokens; all others share the last one."""

    size: int = 256
    """Tokens: one for the end, one for rare characters, and size - 2 characters."""

    def __post_init__(self) -> None:
        if not 3 <= self.size <= UNICODE:
            raise ConfigError(f"size={self.size} must lie between 3 and {UNICODE}")

    @property
    def count(self) -> int:
        return self.size

    def fit(self, text: bytes, origin: str) -> Tokenizer:
        ordered = sorted(Counter(decode_utf8(text, origin)).items(), key=lambda item: (-item[1], item[0]))
        return CharacterTokenizer("".join(character for character, _ in ordered[: self.size - 2]), self.size - 1)


class CharacterTokenizer(Tokenizer):
    """Tokens 1, 2, … for the characters of `alphabet`, and `other` for the rest."""

    def __init__(self, alphabet: str, other: int) -> None:
        self.alphabet, self._other = alphabet, other
        self._table = np.full(UNICODE, other, np.int32)
        self._table[[ord(character) for character in alphabet]] = np.arange(1, len(alphabet) + 1)

    def encode(self, text: bytes, origin: str) -> Tensor:
        points = np.frombuffer(decode_utf8(text, origin).encode("utf-32-le"), "<u4")
        return torch.from_numpy(self._table[points])

    def decode(self, tokens: Tensor) -> str:
        known = len(self.alphabet)
        return "".join(self.alphabet[t - 1] if t <= known else "\ufffd" for t in tokens.tolist() if t != END)


@TOKENIZERS.register("bpe", source="Sennrich et al., ACL 2016, arXiv:1508.07909; huggingface/tokenizers")
@dataclass(frozen=True, kw_only=True)
class BPE(TokenizerConfig):
    """Byte-pair encoding over bytes, learned from the training text or read from a file."""

    size: int = 4096
    """Tokens of the vocabulary; a short training text may fill fewer."""
    learn_from: int = 20_000_000
    """Bytes of the training text, from its start, that pairs are counted in."""
    file: str | None = None
    """A tokenizer.json to use instead of learning one; its tokens must fit into `size`."""

    def __post_init__(self) -> None:
        if self.size < 257:
            raise ConfigError(f"size={self.size} must be at least 257: the end and every byte")
        if self.learn_from < 1:
            raise ConfigError(f"learn_from={self.learn_from} must be at least 1 byte")

    @property
    def count(self) -> int:
        return self.size

    def fit(self, text: bytes, origin: str) -> Tokenizer:
        library = _library()
        return _Pairs(self._learned(library, text, origin) if self.file is None else self._read(library, self.file))

    def _learned(self, library: ModuleType, text: bytes, origin: str) -> Any:
        made = library.Tokenizer(library.models.BPE())
        made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=self.size,
            special_tokens=["<end>"],
            initial_alphabet=sorted(library.pre_tokenizers.ByteLevel.alphabet()),
            show_progress=False,
        )
        made.train_from_iterator(decode_utf8(text[: self.learn_from], origin).splitlines(keepends=True), trainer)
        return made

    def _read(self, library: ModuleType, file: str) -> Any:
        if not Path(file).is_file():
            raise DataError(f"file={file!r}: there is no such file; leave file unset to learn a tokenizer")
        # the package raises bare Exception for what it cannot parse, so the file is checked by what comes of it
        data = Path(file).read_bytes()
        if not data.lstrip().startswith(b"{"):
            raise DataError(f"{file}: not a tokenizer.json")
        found = library.Tokenizer.from_str(decode_utf8(data, file))
        if found.get_vocab_size() > self.size:
            raise ConfigError(f"{file} has {found.get_vocab_size()} tokens, but size={self.size}")
        return found


class _Pairs(Tokenizer):
    def __init__(self, pairs: Any) -> None:
        self.pairs = pairs

    def encode(self, text: bytes, origin: str) -> Tensor:
        lines = decode_utf8(text, origin).splitlines(keepends=True)
        ids = [np.array(found.ids, np.int32) for found in self.pairs.encode_batch(lines)]
        return torch.from_numpy(np.concatenate(ids) if ids else np.empty(0, np.int32))

    def decode(self, tokens: Tensor) -> str:
        text: str = self.pairs.decode([token for token in tokens.tolist() if token != END])
        return text


def decode_utf8(text: bytes, origin: str) -> str:
    """UTF-8 text; a character cut in two at either end of the piece is dropped.

    Raises:
        DataError: not UTF-8; names the byte.
    """
    start = next((i for i in range(min(4, len(text))) if text[i] & 0xC0 != 0x80), min(3, len(text)))
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        return decoder.decode(text[start:], final=False)
    except UnicodeDecodeError as error:
        place = start + error.start
        raise DataError(f"{origin}: byte 0x{text[place]:02x} at byte {place} is not UTF-8 text") from None


def _library() -> ModuleType:
    try:
        import tokenizers
        from tokenizers import decoders, models, pre_tokenizers, trainers  # noqa: F401  (submodules of the package)
    except ImportError:
        raise DataError(
            "byte-pair encoding needs tokenizers; install the extra: pip install 'spikeformers[text]'"
        ) from None
    module: ModuleType = tokenizers
    return module

"""Pieces of long texts as samples of a language model, and documents packed into rows."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.samples import Indices, Samples, as_indices
from spikeformers.data.text.tokenizers import END

IGNORED = -100
"""Target that no loss counts (the default of torch's cross-entropy)."""


class Passages(Samples):
    """Pieces of one text [n, L] and, as targets [n, L], the tokens that follow each of theirs.

    Args:
        tokens: the text [N].
        starts: where each piece begins.
        length: tokens L of a piece.
        origin: of the text, for names.
    """

    def __init__(self, tokens: Tensor, starts: Tensor, length: int, origin: str) -> None:
        self._tokens, self._starts, self._length, self._origin = tokens, starts, length, origin

    def __len__(self) -> int:
        return len(self._starts)

    def inputs(self, indices: Indices) -> Tensor:
        return self._tokens[self._places(indices)].long()

    def targets(self, indices: Indices) -> Tensor:
        return self._tokens[self._places(indices) + 1].long()

    def name(self, index: int) -> str:
        return f"{self._origin}#{int(self._starts[index])}"

    def _places(self, indices: Indices) -> Tensor:
        return self._starts[as_indices(indices)][:, None] + torch.arange(self._length)


def cut_passages(tokens: Tensor, length: int, stride: int, origin: str) -> Passages:
    """All pieces of a text that have a next token, `stride` apart; what is left at the end is dropped.

    Raises:
        ConfigError: the text is too short for one.
    """
    starts = torch.arange(0, max(len(tokens) - length, 0), stride)
    if not len(starts):
        raise ConfigError(
            f"length={length} is too long: {origin} has {len(tokens)} tokens, and a sample needs one more"
        )
    return Passages(tokens, starts, length, origin)


def joined(documents: Sequence[Tensor]) -> Tensor:
    """Documents one after the other, each followed by the end token.

    Raises:
        DataError: there are none.
    """
    if not documents:
        raise DataError("no documents; at least one is needed")
    end = torch.tensor([END], dtype=documents[0].dtype)
    return torch.cat([part for document in documents for part in (document, end)])


@dataclass(frozen=True)
class Packed:
    """Rows that several documents share, each [R, L].

    Attributes:
        tokens: the end token where a row is not filled.
        targets: the next token of the same document, its end after the last; -100 where a row is not filled.
        document: number of the document in its row from 1; 0 where a row is not filled.
        position: place of each token in its document, from 0.
    """

    tokens: Tensor
    targets: Tensor
    document: Tensor
    position: Tensor

    def may_attend(self) -> Tensor:
        """[R, L, L], true where the token of the second axis may look at that of the third: earlier, same document."""
        same = (self.document.unsqueeze(2) == self.document.unsqueeze(1)) & (self.document > 0).unsqueeze(2)
        return same & torch.ones(same.shape[1:], dtype=torch.bool).tril()


def pack(documents: Sequence[Tensor], length: int) -> Packed:
    """Documents of any length in rows of `length`: longest first, each into the first row that still has room for it.

    Longer documents are cut into pieces that each stand for a document. Source: Krell et al., arXiv:2107.02027 (packing).

    Raises:
        ConfigError: length is below 1.
        DataError: a document is empty, or there are none.
    """
    if length < 1:
        raise ConfigError(f"length={length} must be at least 1")
    empty = next((i for i, document in enumerate(documents) if not len(document)), None)
    if empty is not None or not documents:
        raise DataError("no documents to pack" if empty is None else f"document {empty} is empty")
    pieces = [(d[i : i + length], d[i + 1 : i + length + 1]) for d in documents for i in range(0, len(d), length)]
    pieces.sort(key=lambda piece: -len(piece[0]))
    rows: list[list[tuple[Tensor, Tensor]]] = []
    free: list[int] = []
    for piece in pieces:
        size = len(piece[0])
        row = next((r for r, room in enumerate(free) if room >= size), len(rows))
        if row == len(rows):
            rows.append([])
            free.append(length)
        rows[row].append(piece)
        free[row] -= size
    packed = Packed(*[torch.full((len(rows), length), fill) for fill in (END, IGNORED, 0, 0)])
    for r, row_pieces in enumerate(rows):
        at = 0
        for number, (tokens, following) in enumerate(row_pieces, start=1):
            place = slice(at, at + len(tokens))
            packed.tokens[r, place] = tokens.long()
            packed.targets[r, place] = END
            packed.targets[r, at : at + len(following)] = following.long()
            packed.document[r, place] = number
            packed.position[r, place] = torch.arange(len(tokens))
            at += len(tokens)
    return packed

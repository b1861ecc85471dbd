import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.text.passages import IGNORED, cut_passages, joined, pack
from spikeformers.data.text.tokenizers import END


def test_targets_are_the_next_tokens_and_the_last_piece_has_one() -> None:
    text = torch.arange(1, 12)
    pieces = cut_passages(text, 3, 3, "a")
    assert pieces.inputs(range(len(pieces))).tolist() == [[1, 2, 3], [4, 5, 6], [7, 8, 9]]
    assert pieces.targets(range(len(pieces))).tolist() == [[2, 3, 4], [5, 6, 7], [8, 9, 10]]
    assert len(cut_passages(text, 3, 1, "a")) == 8
    with pytest.raises(ConfigError, match="length=11 is too long: a has 11 tokens"):
        cut_passages(text, 11, 1, "a")


def test_documents_are_joined_with_an_end_each() -> None:
    assert joined([torch.tensor([5, 6]), torch.tensor([7])]).tolist() == [5, 6, END, 7, END]
    with pytest.raises(DataError, match="no documents"):
        joined([])


@given(st.lists(st.integers(1, 20), min_size=1, max_size=12), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
def test_every_token_is_packed_once_with_its_successor(sizes: list[int], length: int) -> None:
    first = torch.tensor([1, *sizes]).cumsum(0)
    documents = [torch.arange(int(first[i]), int(first[i]) + size) for i, size in enumerate(sizes)]
    packed = pack(documents, length)
    kept = packed.document > 0
    assert sorted(packed.tokens[kept].tolist()) == torch.cat(documents).tolist()
    assert (packed.tokens[~kept] == END).all()
    assert (packed.targets[~kept] == IGNORED).all()
    follows = {int(d[i]): int(d[i + 1]) if i + 1 < len(d) else END for d in documents for i in range(len(d))}
    for token, target in zip(packed.tokens[kept].tolist(), packed.targets[kept].tolist(), strict=True):
        assert target == follows[token]
    pieces = sum(-(-size // length) for size in sizes)
    assert int((packed.position[kept] == 0).sum()) == pieces
    assert int(packed.document.amax(1).sum()) == pieces


def test_no_token_may_look_into_another_document() -> None:
    packed = pack([torch.tensor([1, 2, 3]), torch.tensor([4, 5])], 6)
    assert packed.tokens.tolist() == [[1, 2, 3, 4, 5, END]]
    assert packed.targets.tolist() == [[2, 3, END, 5, END, IGNORED]]
    assert packed.may_attend()[0].int().tolist() == [
        [1, 0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0, 0],
        [1, 1, 1, 0, 0, 0],
        [0, 0, 0, 1, 0, 0],
        [0, 0, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ]


def test_nothing_to_pack_is_refused() -> None:
    with pytest.raises(DataError, match="document 1 is empty"):
        pack([torch.tensor([1]), torch.tensor([])], 4)
    with pytest.raises(DataError, match="no documents"):
        pack([], 4)
    with pytest.raises(ConfigError, match="length=0"):
        pack([torch.tensor([1])], 0)

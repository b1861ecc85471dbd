from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.text.tokenizers import END, TOKENIZERS, Characters, decode_utf8

TEXT = "Ein naïver Ŝpike 🧠 fires, a naïve spike fires again.\n"


@pytest.mark.parametrize("name", TOKENIZERS.names())
def test_text_survives_its_tokens(name: str) -> None:
    if name == "bpe":
        pytest.importorskip("tokenizers", reason="needs the extra spikeformers[text]")
    config = TOKENIZERS.config(name)
    made = config.fit(TEXT.encode(), "a")
    tokens = made.encode(TEXT.encode(), "a")
    assert tokens.dtype == torch.int32
    assert tokens.min() > END
    assert tokens.max() < config.count
    assert made.decode(torch.cat([tokens, torch.tensor([END])])) == TEXT
    assert made.encode(b"", "a").shape == (0,)


def test_rare_characters_share_the_last_token() -> None:
    made = Characters(size=4).fit(b"aaabbc", "a")
    assert made.encode(b"abcz", "a").tolist() == [1, 2, 3, 3]
    assert made.decode(torch.tensor([1, 2, 3])) == "ab\ufffd"
    with pytest.raises(ConfigError, match="size=2"):
        Characters(size=2)


def test_pairs_are_learned_and_read_back(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra spikeformers[text]")
    config = TOKENIZERS.config("bpe").but(size=300)
    text = b"spike train, spike train, spiking neurons fire\n" * 30
    made = config.fit(text, "a")
    tokens = made.encode(text, "a")
    assert len(tokens) < len(text) / 3
    made.pairs.save(str(tmp_path / "tokenizer.json"))  # type: ignore[attr-defined]
    read = config.but(file=str(tmp_path / "tokenizer.json")).fit(b"other", "a")
    assert torch.equal(read.encode(text, "a"), tokens)
    few = config.but(learn_from=6).fit(text, "a")
    assert len(few.encode(text, "a")) > len(tokens)
    with pytest.raises(ConfigError, match="tokens, but size=270"):
        config.but(file=str(tmp_path / "tokenizer.json"), size=270).fit(text, "a")
    with pytest.raises(DataError, match="there is no such file"):
        config.but(file=str(tmp_path / "none.json")).fit(text, "a")
    (tmp_path / "tokenizer.json").write_text("hello")
    with pytest.raises(DataError, match=r"not a tokenizer\.json"):
        config.but(file=str(tmp_path / "tokenizer.json")).fit(text, "a")
    with pytest.raises(ConfigError, match="size=256"):
        config.but(size=256)


def test_pairs_without_their_package_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tokenizers", None)
    with pytest.raises(DataError, match=r"spikeformers\[text\]"):
        TOKENIZERS.config("bpe").fit(b"a", "a")


def test_characters_cut_in_two_at_the_ends_are_dropped_and_others_refused() -> None:
    whole = TEXT.encode()
    for start in range(len(whole)):
        for stop in range(start, min(start + 12, len(whole) + 1)):
            assert decode_utf8(whole[start:stop], "a") in TEXT
    with pytest.raises(DataError, match="a: byte 0xff at byte 3 is not UTF-8"):
        decode_utf8(b"abc\xffdef ghi", "a")

from pathlib import Path

import pytest
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data import DATASETS
from spikeformers.data.text.tokenizers import Bytes


def test_enwik8_is_cut_at_90_and_95_percent(tmp_path: Path) -> None:
    text = bytes(i % 251 + 1 for i in range(10_000))
    (tmp_path / "enwik8").write_bytes(text)
    config = DATASETS.config("enwik8").but(root=str(tmp_path), length=100, stride=100)
    splits = config.build()
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [89, 4, 4]
    assert splits.val.inputs([0])[0].tolist() == list(text[9000:9100])
    assert splits.test.targets([0])[0].tolist() == list(text[9501:9601])
    assert len(config.but(stride=50).build().train) == 178
    assert len(config.but(stride=50).build().test) == 4
    with pytest.raises(ConfigError, match="length=600 is too long"):
        config.but(length=600).build()
    with pytest.raises(ConfigError, match="stride=0"):
        config.but(stride=0)
    (tmp_path / "enwik8").write_bytes(b"")
    with pytest.raises(DataError, match=r"enwik8\[train\]: an empty text"):
        config.build()


def test_wikitext_learns_its_tokens_from_the_training_part(tmp_path: Path) -> None:
    config = DATASETS.config("wikitext2").but(root=str(tmp_path), tokenizer="characters", length=50, stride=50)
    config.fake(20, tmp_path)
    folder = tmp_path / "wikitext-2-raw"
    (folder / "wiki.test.raw").write_text("the ŝŝŝŝ " * 40, encoding="utf-8")
    splits = config.build()
    assert splits.test.inputs([0]).max() == config.tokenizer.count - 1  # a character that training never saw
    assert splits.train.inputs(range(len(splits.train))).max() < 30
    (folder / "wiki.valid.raw").write_bytes(b"the \xff naive" * 40)
    with pytest.raises(DataError, match=r"wiki\.valid\.raw: byte 0xff at byte 4"):
        config.build()
    assert config.but(tokenizer="bytes").build().val.inputs([0])[0, 4] == 0xFF
    with pytest.raises(DataError, match=r"wikitext-103-raw/wiki\.train\.raw"):
        config.but(size=103).but(root=str(tmp_path / "else")).build()


def test_pairs_are_learned_for_a_language_model(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers", reason="needs the extra spikeformers[text]")
    config = DATASETS.config("python_topics").but(tokenizer="bpe", length=64)
    splits = config.build()
    x = splits.train.inputs([0])[0]
    assert 0 <= x.min() < x.max() < len(config.info.classes) == 4096
    assert len(splits.train) < len(config.but(tokenizer="bytes").build().train) / 2


def test_python_brings_its_own_text_and_documents_stay_in_one_part() -> None:
    config = DATASETS.config("python_topics")
    splits = config.build()
    decoder = Bytes().fit(b"", "a")
    texts = [decoder.decode(p.inputs(range(len(p))).flatten()) for p in (splits.train, splits.val, splits.test)]
    assert min(map(len, texts)) > 5_000
    assert "lambda" in texts[0]
    starts = [text[:200] for text in texts]
    assert all(start not in text for i, start in enumerate(starts) for k, text in enumerate(texts) if i != k)
    other = config.but(split_seed=1).build()
    assert not torch.equal(other.test.inputs([0]), splits.test.inputs([0]))
    assert len(config.but(stride=64).build().train) > 3 * len(splits.train)


def test_documents_of_ones_own_are_read_from_a_folder(tmp_path: Path) -> None:
    config = DATASETS.config("python_topics").but(root=str(tmp_path), length=16)
    config.fake(30, tmp_path)
    base = config.build()
    assert len(config.but(test_fraction=0.4).build().test) > len(base.test)
    assert len(config.but(val_fraction=0.4).build().val) > len(base.val)
    for i in range(2, 30):
        (tmp_path / f"topic{i}.txt").unlink()
    with pytest.raises(DataError, match="2 documents, and three parts need three"):
        config.build()


def test_sentences_are_tokens_filled_at_their_end(tmp_path: Path) -> None:
    folder = tmp_path / "SST-2"
    folder.mkdir()
    rows = "".join(f"so good {i} \t1\nso bad {i} \t0\n" for i in range(20))
    (folder / "train.tsv").write_text("sentence\tlabel\n" + rows)
    (folder / "dev.tsv").write_text("sentence\tlabel\nit \"s a 'fine' film . \t1\r\n\nno\t0\n", newline="")
    config = DATASETS.config("sst2").but(root=str(tmp_path), length=8)
    splits = config.build()
    assert [len(p) for p in (splits.train, splits.val, splits.test)] == [38, 2, 2]
    x = splits.test.inputs([0, 1])
    assert x.dtype == torch.int64
    assert bytes(x[0].tolist()) == b'it "s a '
    assert bytes(x[1].tolist()) == b"no\0\0\0\0\0\0"
    assert splits.test.targets([0, 1]).tolist() == [1, 0]
    assert splits.test.name(1) == "dev.tsv#line 4"
    assert len(config.but(val_fraction=0.5).build().val) == 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text\tlabel\n", r"line 1: 'text\\tlabel' where"),
        ("sentence\tlabel\na\t2\n", r"line 2: 'a\\t2' is not a sentence"),
        ("sentence\tlabel\na\t1\nb\n", "line 3: 'b'"),
        ("sentence\tlabel\n", "no sentences"),
    ],
)
def test_damaged_tables_are_refused_with_the_line(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "train.tsv").write_text(text)
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\na\t1\n")
    with pytest.raises(DataError, match=rf"train\.tsv.*{message}"):
        DATASETS.config("sst2").but(root=str(tmp_path)).build()

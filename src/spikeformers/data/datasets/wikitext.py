"""WikiText-2 and WikiText-103: good and featured articles of Wikipedia, raw."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.download import RemoteFile
from spikeformers.data.samples import Splits
from spikeformers.data.text.corpus import check_passages, passages, token_names
from spikeformers.data.text.tokenizers import Bytes, TokenizerConfig

PARTS = ("train", "valid", "test")
SIZES = {
    2: {"training articles": 600, "validation articles": 60, "test articles": 60},
    103: {"training articles": 28475, "validation articles": 60, "test articles": 60},
}
CHECKSUMS = {2: "sha256:ef7edb566e3e2b2d31b29c1fdb0c89a4cc683597484c3dc2517919c615435a11", 103: ""}


@DATASETS.register("wikitext2", variants={"wikitext103": {"size": 103}}, source="Merity et al., arXiv:1609.07843")
@dataclass(frozen=True, kw_only=True)
class WikiTextConfig(DataConfig):
    """WikiText, raw: inputs [L] tokens of Wikipedia articles, targets [L] the tokens that follow each."""

    size: Literal[2, 103] = 2
    """Which: WikiText-2 (two million words) or WikiText-103 (103 million)."""
    tokenizer: TokenizerConfig = Bytes()
    """How text becomes tokens; learned from the training part."""
    length: int = 512
    """Tokens L of a sample."""
    stride: int = 512
    """Tokens between the starts of two training samples; validation and test samples never overlap."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_passages(self.length, self.stride)

    @property
    def info(self) -> DatasetInfo:
        name = f"wikitext-{self.size}-raw"
        return DatasetInfo(
            title=f"WikiText-{self.size}",
            classes=token_names(self.tokenizer),
            shape=(self.length,),
            mean=(0.0,),
            std=(1.0,),
            license="CC BY-SA 3.0",
            source="S. Merity, C. Xiong, J. Bradbury, R. Socher, arXiv:1609.07843; Wikipedia",
            sizes=SIZES[self.size],
            split="official train, valid and test",
            layout="\n".join(f"{name}/wiki.{part}.raw" for part in PARTS),
            files=(
                RemoteFile(
                    f"{name}-v1.zip",
                    f"https://wikitext.smerity.com/{name}-v1.zip",
                    CHECKSUMS[self.size],
                    unpack=True,
                ),
            ),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        files = [f"wiki.{part}.raw" for part in PARTS]
        folder = self.locate(*files, inside=(f"wikitext-{self.size}-raw",))
        try:
            texts = [(folder / name).read_bytes() for name in files]
        except OSError as error:
            raise DataError(f"{folder}: cannot be read: {error}") from None
        return passages(texts, files, self.tokenizer, self.length, self.stride)

    def fake(self, n: int, root: Path) -> None:
        folder = root / f"wikitext-{self.size}-raw"
        folder.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for part in PARTS:
            words = rng.choice(["the", "naïve", "of", "@-@", ",", "<unk>"], max(n, 16) * self.length // 3)
            lines = [f" {' '.join(words[i : i + 40])} . \n" for i in range(0, len(words), 40)]
            (folder / f"wiki.{part}.raw").write_text(
                "".join([" \n = Title = \n", *lines]), encoding="utf-8", newline=""
            )

"""Tiny-ImageNet-200: 64×64 pictures of 200 classes of ImageNet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation
from spikeformers.data.datasets.image_folder import Pictures
from spikeformers.data.download import RemoteFile
from spikeformers.data.folders import labeled_files
from spikeformers.data.formats.pictures import write_picture
from spikeformers.data.samples import Splits

FOLDER = "tiny-imagenet-200"
NAMES = "wnids.txt"
ENDINGS = (".jpeg",)
ANNOTATIONS = "val/val_annotations.txt"
LAYOUT = (
    f"{FOLDER}/wnids.txt: the 200 WordNet names, one a line\n"
    f"{FOLDER}/train/WNID/images/*.JPEG\n"
    f"{FOLDER}/val/images/*.JPEG and {FOLDER}/val/val_annotations.txt: picture, WNID and a box, with tabs between"
)


@DATASETS.register("tiny_imagenet", source="Le & Yang, Stanford CS 231N, 2015")
@dataclass(frozen=True, kw_only=True)
class TinyImageNetConfig(DataConfig):
    """Tiny-ImageNet-200: 110,000 labeled color pictures of 64×64 in 200 classes, decoded when asked for."""

    size: int = 64
    """Side of the square that pictures are scaled to."""
    val_fraction: float = 0.1
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ConfigError(f"size={self.size} must be at least 1")

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are those of wnids.txt, none as long as it is not there."""
        return DatasetInfo(
            title="Tiny-ImageNet-200",
            classes=self._classes(),
            shape=(3, self.size, self.size),
            mean=(0.4802, 0.4481, 0.3975),
            std=(0.2770, 0.2691, 0.2821),
            license="that of ImageNet: for non-commercial research",
            source="Y. Le, X. Yang: Tiny ImageNet Visual Recognition Challenge, Stanford CS 231N, 2015",
            sizes={"train": 100_000, "test": 10_000},
            split="the official validation part (10,000) is tested on, as the labels of the official test are not public; "
            "validation is cut from the 100,000 of train with split_seed, every class in equal measure",
            layout=LAYOUT,
            files=(
                RemoteFile(
                    "tiny-imagenet-200.zip",
                    "http://cs231n.stanford.edu/tiny-imagenet-200.zip",
                    "md5:90528d7ca1a48142e341f4ef8d21d0de",
                    unpack=True,
                ),
            ),
        )

    def _classes(self) -> tuple[str, ...]:
        folder = self.find(NAMES, inside=(FOLDER,))
        return tuple(sorted((folder / NAMES).read_text(encoding="ascii").split())) if folder is not None else ()

    def read(self) -> Splits:
        folder = self.locate(NAMES, "train", ANNOTATIONS, inside=(FOLDER,))
        classes = self._classes()
        whole = self._pictures(*labeled_files(folder / "train", classes, ENDINGS, LAYOUT))
        train, val = carve_validation(whole, self.val_fraction, self.split_seed)
        return Splits(train=train, val=val, test=self._pictures(*_annotated(folder, classes)))

    def _pictures(self, paths: list[Path], labels: list[int]) -> Pictures:
        return Pictures(paths, labels, 3, self.size)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        names = ("n01443537", "n01629819", "n01641577")
        pictures = root / FOLDER / "val" / "images"
        pictures.mkdir(parents=True, exist_ok=True)
        (root / FOLDER / NAMES).write_text("\n".join(names) + "\n", encoding="ascii")
        lines = []
        for i in range(n):
            name = names[i % 3]
            folder = root / FOLDER / "train" / name / "images"
            folder.mkdir(parents=True, exist_ok=True)
            for path in (folder / f"{name}_{i // 3}.JPEG", pictures / f"val_{i}.JPEG"):
                write_picture(path, rng.integers(0, 256, (64, 64, 3), dtype=np.uint8))
            lines.append(f"val_{i}.JPEG\t{name}\t0\t0\t63\t63\n")
        (root / FOLDER / ANNOTATIONS).write_text("".join(lines), encoding="ascii")


def _annotated(folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    path = folder / ANNOTATIONS
    paths, labels = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        cells = line.split("\t")
        if len(cells) < 2 or cells[1] not in classes:
            raise DataError(f"{path} line {number}: {line[:60]!r} is not a picture, a class of {NAMES} and a box")
        paths.append(folder / "val" / "images" / cells[0])
        labels.append(classes.index(cells[1]))
    if not paths:
        raise DataError(f"{path}: an empty list")
    return paths, labels

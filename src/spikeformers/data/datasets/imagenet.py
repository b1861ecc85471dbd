"""ImageNet (ILSVRC 2012): 1.28 million training pictures of 1,000 classes, in the folders that people keep it in."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation
from spikeformers.data.datasets.image_folder import Pictures
from spikeformers.data.folders import class_names, labeled_files
from spikeformers.data.formats.pictures import write_picture
from spikeformers.data.samples import Splits

ENDINGS = (".jpeg",)
INSIDE = ("ILSVRC/Data/CLS-LOC", "ILSVRC2012")
DEVKIT = "ILSVRC2012_devkit_t12/data"
TRUTH, META = "ILSVRC2012_validation_ground_truth.txt", "meta.mat"
KAGGLE = "LOC_val_solution.csv"
LAYOUT = (
    "train/WNID/*.JPEG and val/WNID/*.JPEG\n"
    "or train/WNID/*.JPEG and val/ILSVRC2012_val_NNNNNNNN.JPEG, all in one folder, with their classes in\n"
    f"  {DEVKIT}/ ({TRUTH} and {META}) or {KAGGLE}, beside train or up to three folders above"
)


@DATASETS.register("imagenet", source="Russakovsky et al., IJCV 115, 2015, arXiv:1409.0575")
@dataclass(frozen=True, kw_only=True)
class ImageNetConfig(DataConfig):
    """ImageNet (ILSVRC 2012): color pictures in 1,000 classes, decoded when asked for."""

    size: int = 224
    """Side of the square that pictures are scaled and cut to."""
    val_fraction: float = 0.01
    """Share of the official training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ConfigError(f"size={self.size} must be at least 1")

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are the names of the folders in train, none as long as it is not there."""
        return DatasetInfo(
            title="ImageNet (ILSVRC 2012)",
            classes=self._classes(),
            shape=(3, self.size, self.size),
            mean=(0.485, 0.456, 0.406),
            std=(0.229, 0.224, 0.225),
            license="for non-commercial research and education, after agreeing to its terms (image-net.org)",
            source="O. Russakovsky et al., IJCV 115, 2015, arXiv:1409.0575",
            sizes={"train": 1_281_167, "test": 50_000},
            split="the official validation part (50,000) is tested on, as everywhere; validation is cut from train with "
            "split_seed, every class in equal measure. Classes are the WordNet names in alphabetical order, as in published "
            "weights",
            layout=LAYOUT,
            hint="Agree to the terms on https://image-net.org/download and unpack the archives.",
        )

    def _classes(self) -> tuple[str, ...]:
        folder = self.find("train", "val", inside=INSIDE)
        return class_names(folder / "train") if folder is not None else ()

    def read(self) -> Splits:
        folder, classes = self.locate("train", "val", inside=INSIDE), self._classes()
        whole = self._pictures(*labeled_files(folder / "train", classes, ENDINGS, LAYOUT))
        sorted_out = bool(class_names(folder / "val"))
        test = labeled_files(folder / "val", classes, ENDINGS, LAYOUT) if sorted_out else _flat(folder, classes)
        train, val = carve_validation(whole, self.val_fraction, self.split_seed)
        return Splits(train=train, val=val, test=self._pictures(*test))

    def _pictures(self, paths: list[Path], labels: list[int]) -> Pictures:
        return Pictures(paths, labels, 3, self.size)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(max(n, round(2 / self.val_fraction))):
            name = ("n01440764", "n01443537", "n01484850")[i % 3]
            for part in ("train", "val") if i < n else ("train",):
                folder = root / part / name
                folder.mkdir(parents=True, exist_ok=True)
                pixels = rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)
                write_picture(folder / f"{name if part == 'train' else 'ILSVRC2012_val'}_{i:08d}.JPEG", pixels)


def _flat(folder: Path, classes: tuple[str, ...]) -> tuple[list[Path], list[int]]:
    """Pictures that lie together in val, with classes from a file."""
    pictures = sorted((folder / "val").glob("ILSVRC2012_val_*.JPEG"))
    if not pictures:
        raise DataError(f"{folder}/val holds neither folders of classes nor ILSVRC2012_val_*.JPEG; wanted\n{LAYOUT}")
    for above in (folder, *folder.resolve().parents[:3]):
        if (above / KAGGLE).is_file():
            names = _kaggle_names(above / KAGGLE)
            break
        if (above / DEVKIT / TRUTH).is_file():
            names = _devkit_names(above / DEVKIT)
            break
    else:
        raise DataError(f"{folder}: the classes of the pictures in val are in no file; wanted\n{LAYOUT}")
    labels = []
    for path in pictures:
        name = names.get(path.stem)
        if name not in classes:
            raise DataError(f"{path}: its class is {name or 'stated nowhere'}, which is no folder of train")
        labels.append(classes.index(name))
    return pictures, labels


def _kaggle_names(path: Path) -> dict[str, str]:
    """Picture → WNID, from lines `ILSVRC2012_val_NNNNNNNN,WNID x y x y …` under one line of titles."""
    names = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()[1:], start=2):
        picture, _, boxes = line.partition(",")
        if not boxes.split():
            raise DataError(f"{path} line {number}: {line[:60]!r} is not a picture, a comma and a class")
        names[picture] = boxes.split()[0]
    return names


def _devkit_names(folder: Path) -> dict[str, str]:
    """Picture → WNID: line i of the ground truth is the ILSVRC number of picture i, and meta.mat names the numbers."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        synsets = loadmat(folder / META, squeeze_me=True)["synsets"]
        named = {int(row["ILSVRC2012_ID"]): str(row["WNID"]) for row in np.atleast_1d(synsets)}
        numbers = [int(line) for line in (folder / TRUTH).read_text(encoding="ascii").split()]
    except (MatReadError, OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise DataError(f"{folder}: {META} or {TRUTH} cannot be read: {error}") from None
    unknown = next((i for i, number in enumerate(numbers, start=1) if number not in named), None)
    if unknown is not None:
        raise DataError(f"{folder / TRUTH} line {unknown}: class {numbers[unknown - 1]} is not in {META}")
    return {f"ILSVRC2012_val_{i:08d}": named[number] for i, number in enumerate(numbers, start=1)}

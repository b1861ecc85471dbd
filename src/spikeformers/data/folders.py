"""Files that lie in one folder a class, with or without parts: how any folder of pictures or sounds is read."""

from collections.abc import Callable, Sequence
from pathlib import Path

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import carve_validation
from spikeformers.data.samples import Samples, Splits, Subset, stratified

TRAIN, VAL, TEST = ("train",), ("val", "valid", "validation"), ("test",)
"""What the folder of each part may be called."""


def folder_layout(kind: str, endings: str) -> str:
    """The layout for people: `kind` is what a file is called ("PICTURE.png"), `endings` what it may end in."""
    return (
        f"CLASS/{kind} ({endings}), one folder a class\n"
        f"or train/CLASS/{kind} and test/CLASS/{kind}, and val/CLASS/{kind} where there is a validation part"
    )


def part_folder(root: Path, names: Sequence[str]) -> Path | None:
    """The folder of a part, or None if there is none."""
    return next((root / name for name in names if (root / name).is_dir()), None)


def class_names(folder: Path) -> tuple[str, ...]:
    """Names of the class folders, in order."""
    return tuple(sorted(p.name for p in folder.iterdir() if p.is_dir() and not p.name.startswith(".")))


def classes_under(root: str | None) -> tuple[str, ...]:
    """The classes of the training part of `root` (of root itself where it has no parts); none if there is no such folder."""
    folder = Path(root) if root else None
    return class_names(part_folder(folder, TRAIN) or folder) if folder is not None and folder.is_dir() else ()


def labeled_files(
    folder: Path, classes: Sequence[str], endings: Sequence[str], layout: str
) -> tuple[list[Path], list[int]]:
    """Files of the class folders in order of class and name, and the label of each.

    Raises:
        DataError: there are none, or a folder is not one of the classes.
    """
    if unknown := set(class_names(folder)) - set(classes):
        raise DataError(f"{folder} has classes that the training part lacks: {', '.join(sorted(unknown)[:5])}")
    items = [
        (path, label)
        for label, name in enumerate(classes)
        for path in sorted((folder / name).rglob("*"))
        if path.suffix.lower() in endings
    ]
    if not items:
        raise DataError(f"{folder} holds no files ending in {', '.join(endings)}; it must look like:\n{layout}")
    return [path for path, _ in items], [label for _, label in items]


def folder_splits(
    root: Path, load: Callable[[Path], Samples], *, test_fraction: float, val_fraction: float, seed: int, layout: str
) -> Splits:
    """The three parts: the folders train, val and test where they exist, what they lack drawn with `seed`.

    Args:
        root: folder of classes, or of the parts.
        load: all samples of a folder of classes.
        test_fraction: share of all samples, where there is no folder train.
        val_fraction: share of all samples, or of the training part where there is one.
        seed: of the draw.
        layout: what the folder should look like, for messages.

    Raises:
        DataError: there is a folder train but none for the test part.
    """
    train, val, test = (part_folder(root, names) for names in (TRAIN, VAL, TEST))
    if train is None:
        whole = load(root)
        parts = stratified(whole.targets(range(len(whole))), (test_fraction, val_fraction), seed)
        return Splits(test=Subset(whole, parts[0]), val=Subset(whole, parts[1]), train=Subset(whole, parts[2]))
    if test is None:
        raise DataError(f"{root} has a folder train but none called test; it must look like:\n{layout}")
    if val is not None:
        return Splits(train=load(train), val=load(val), test=load(test))
    kept, carved = carve_validation(load(train), val_fraction, seed)
    return Splits(train=kept, val=carved, test=load(test))


def check_fractions(test_fraction: float, val_fraction: float) -> None:
    """Refuse shares that leave a part empty.

    Raises:
        ConfigError: one is not above 0, or nothing is left to train on.
    """
    if min(test_fraction, val_fraction) <= 0 or test_fraction + val_fraction >= 1:
        raise ConfigError(
            f"test_fraction={test_fraction} and val_fraction={val_fraction} must be above 0 and leave something to train on"
        )

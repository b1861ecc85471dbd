"""What a dataset is: a config chosen by name, a card of facts, and a reader for files in their true layout."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from spikeformers.core.config import Config
from spikeformers.core.errors import ConfigError, DataError
from spikeformers.core.registry import Registry
from spikeformers.data.download import Progress, RemoteFile, fetch
from spikeformers.data.samples import Samples, Splits, Subset, balanced_first, stratified
from spikeformers.data.transforms.base import AugmentConfig
from spikeformers.data.transforms.mix import MixConfig

DATASETS: Registry["DataConfig"] = Registry("dataset", "spikeformers.data.datasets")

ENVIRONMENT = "SPIKEFORMERS_DATA"
"""Environment variable that names the folder of all datasets."""


@dataclass(frozen=True)
class DatasetInfo:
    """The card of a dataset.

    Attributes:
        title: name as people write it.
        classes: class names; position is label.
        shape: of one input, as `Samples.inputs` gives it without its first axis.
        mean, std: per channel of [0, 1] inputs, over the training part; (0,) and (1,) where nothing is normalized.
        license, source: under what terms, and whose work.
        sizes: samples in each official part ("train", "test", …).
        split: how train, validation and test are told apart.
        layout: the files as they must lie in the folder, one per line.
        files: where they can be had, with checksums.
        hint: other ways to get them.
        mirror: whether a sample mirrored left to right keeps its label.
        unit_range: whether inputs lie in [0, 1] (images); if not, they are used as they are.
        generated: whether samples are computed from a seed, so that there are no files.
    """

    title: str
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    license: str
    source: str
    sizes: Mapping[str, int]
    split: str
    layout: str
    files: tuple[RemoteFile, ...] = ()
    hint: str = ""
    mirror: bool = True
    unit_range: bool = True
    generated: bool = False

    @property
    def card(self) -> str:
        """All facts as text for people."""
        sizes = ", ".join(f"{count:,} {part}" for part, count in self.sizes.items())
        names = ", ".join(self.classes[:12]) + (", …" if len(self.classes) > 12 else "")
        lines = [
            self.title,
            f"  inputs   {'×'.join(str(n or '?') for n in self.shape)}, mean {_brief(self.mean)}, std {_brief(self.std)}",
            f"  classes  {f'{len(self.classes)}: {names}' if names else 'none, or as the files have them'}",
            f"  samples  {sizes or 'as the files have them'}",
            f"  split    {self.split}",
            f"  source   {self.source}",
            f"  license  {self.license}",
            *[f"  file     {f.url} {f.checksum}".rstrip() for f in self.files],
            "  layout",
            *[f"    {line}" for line in self.layout.splitlines()],
        ]
        return "\n".join(lines)


def _brief(values: tuple[float, ...]) -> str:
    """Values for people; many equal ones are said once."""
    return f"{values[0]} in all {len(values)}" if len(values) > 4 and len(set(values)) == 1 else str(values)


@dataclass(frozen=True, kw_only=True)
class DataConfig(Config):
    """Abstract: a dataset, where it lies, and which part of it is used."""

    registry: ClassVar = DATASETS

    root: str | None = None
    """Folder that holds the files; by default the data folder (SPIKEFORMERS_DATA) or where a system package puts them."""
    limit: int | None = None
    """Train on this many samples only, the same number of each class."""
    eval_limit: int | None = None
    """Validate, and test, on this many samples only, the same number of each class."""
    augment: AugmentConfig | None = None
    """Random changes of the training samples; validation and test are never changed."""
    mix: MixConfig | None = None
    """Mixing of training samples within a batch, after `augment`; labels become probabilities."""

    def __post_init__(self) -> None:
        for name in ("limit", "eval_limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name}={value} leaves no samples; give at least 1, or none for all")
        for name, chosen in (("augment", self.augment), ("mix", self.mix)):
            if chosen is not None and len(self.info.shape) not in chosen.axes:
                wanted = " or ".join(str(axes) for axes in chosen.axes)
                raise ConfigError(
                    f"{name} {chosen.family!r} changes samples of {wanted} axes, but those of {self.info.title} have shape "
                    f"{self.info.shape}; leave {name} unset or choose another"
                )
        if self.augment is not None and self.augment.mirrors and not self.info.mirror:
            raise ConfigError(
                f"augment {self.augment.family!r} mirrors samples, but a mirrored sample of {self.info.title} is no longer "
                "of its class; set flip=0 or choose another augmentation"
            )

    @property
    def info(self) -> DatasetInfo:
        """The card. Reads no files."""
        raise NotImplementedError

    def read(self) -> Splits:
        """All samples of the three parts, straight from the files.

        Raises:
            DataError: files are missing, corrupt or in another layout.
        """
        raise NotImplementedError

    def fake(self, n: int, root: Path) -> None:
        """Write `n` made-up samples (rounded up to fill every class once where it must) in the true layout."""
        raise NotImplementedError

    def build(self) -> Splits:
        """The three parts, cut to `limit` and `eval_limit`.

        Raises:
            DataError: files are missing, corrupt or in another layout.
        """
        whole = self.read()
        return Splits(
            train=balanced_first(whole.train, self.limit),
            val=balanced_first(whole.val, self.eval_limit),
            test=balanced_first(whole.test, self.eval_limit),
        )

    def download(self, progress: Progress | None = None) -> Path:
        """Fetch the files into `root` (or the data folder) and check them; what is there already stays.

        Args:
            progress: told the file name, bytes so far and bytes in all (None where the server does not say).

        Raises:
            DataError: nothing public is known, the network fails, or a checksum is wrong.
        """
        if not self.info.files:
            raise DataError(f"no public address of {self.info.title} is known; {self.info.hint or self.info.layout}")
        folder = Path(self.root) if self.root else data_folder() / self.family
        for remote in self.info.files:
            fetch(remote, folder, progress)
        return folder

    def locate(self, *names: str, inside: tuple[str, ...] = (), system: tuple[str, ...] = ()) -> Path:
        """The first folder in which every one of the files `names` lies.

        Args:
            names: file names; "a|b" accepts either.
            inside: sub-folders to look into as well.
            system: folders that system packages fill.

        Raises:
            DataError: says where it looked, what should lie there, and how to get it.
        """
        looked = self._places(inside, system)
        found = _holding(looked, names)
        if found is None:
            raise DataError(self._missing(looked))
        return found

    def find(self, *names: str, inside: tuple[str, ...] = (), system: tuple[str, ...] = ()) -> Path | None:
        """As `locate`, but None where it would raise: for cards that tell what the files hold."""
        return _holding(self._places(inside, system), names)

    def _places(self, inside: tuple[str, ...], system: tuple[str, ...]) -> list[Path]:
        if self.root is not None:
            return [base / sub for base in (Path(self.root), Path(self.root) / self.family) for sub in ("", *inside)]
        looked = [data_folder() / self.family / sub for sub in ("", *inside)]
        return looked + [data_folder() / sub for sub in inside] + [Path(path) for path in system]

    def _missing(self, looked: list[Path]) -> str:
        info = self.info
        lines = [f"{info.title} was not found. Looked in:", *[f"  {folder}" for folder in looked]]
        lines += ["One of these must hold:", *[f"  {line}" for line in info.layout.splitlines()]]
        if info.files:
            lines.append(
                f'Get it in Python: spikeformers.data.DATASETS.config("{self.family}").download(), or by hand from:'
            )
            lines += [f"  {remote.url}" for remote in info.files]
        if info.hint:
            lines.append(info.hint)
        lines.append(f"Point to another folder with root=… (--data.root) or the variable {ENVIRONMENT}.")
        return "\n".join(lines)


def _holding(folders: list[Path], names: tuple[str, ...]) -> Path | None:
    for folder in folders:
        if all(any((folder / option).exists() for option in name.split("|")) for name in names):
            return folder
    return None


def data_folder() -> Path:
    """The folder of all datasets: the variable SPIKEFORMERS_DATA, or a folder in the user's cache."""
    named = os.environ.get(ENVIRONMENT)
    return Path(named).expanduser() if named else Path.home() / ".cache" / "spikeformers" / "data"


def carve_validation(train: Samples, fraction: float, seed: int) -> tuple[Samples, Samples]:
    """Split an official training part into (train, validation), every class in equal measure.

    Raises:
        ConfigError: the fraction is not between 0 and 1, or a part would be empty.
    """
    if not 0.0 < fraction < 1.0:
        raise ConfigError(f"val_fraction={fraction} must lie between 0 and 1; choices need a validation part")
    val, rest = stratified(train.targets(range(len(train))), [fraction], seed)
    if not len(val) or not len(rest):
        raise ConfigError(
            f"val_fraction={fraction} of {len(train)} samples leaves a part without samples; give another"
        )
    return Subset(train, rest), Subset(train, val)


def check_labels(labels: np.ndarray, count: int, origin: str) -> None:
    """Refuse labels outside 0 … count-1.

    Raises:
        DataError: names the first wrong label and its place.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= count))
    if len(wrong):
        raise DataError(f"{origin}: label {labels[wrong[0]]} of sample {wrong[0]} is outside 0 … {count - 1}")

"""Pictures of any Hugging Face dataset: saved on disk, as parquet files, or fetched by name and then read from disk."""

import json
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from spikeformers.core.errors import ConfigError, DataError, did_you_mean
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, carve_validation, check_labels, data_folder
from spikeformers.data.download import Progress
from spikeformers.data.formats.pictures import check_square, parse_picture
from spikeformers.data.samples import Indices, Samples, Splits, as_indices

LAYOUT = (
    "dataset_dict.json and one folder a part, as DatasetDict.save_to_disk writes them\n"
    "or PART-*.parquet, there or in a folder data, as the Hub keeps them"
)


@DATASETS.register("hf_images", source="Lhoest et al., EMNLP 2021, arXiv:2109.02846; huggingface/datasets")
@dataclass(frozen=True, kw_only=True)
class HFImagesConfig(DataConfig):
    """Pictures with class labels of a Hugging Face dataset; set root, or repository and download it."""

    repository: str | None = None
    """Name on the Hub, such as uoft-cs/cifar10: what `download` fetches, into the data folder where root is not set."""
    subset: str | None = None
    """Name of a configuration of the dataset, where it has several."""
    image: str = "image"
    """Column of the pictures."""
    label: str = "label"
    """Column of the class labels."""
    train: str = "train"
    """Name of the training part."""
    test: str = "test"
    """Name of the part that is tested on; many datasets call it validation."""
    size: int = 224
    """Side of the square that pictures are scaled and cut to."""
    channels: int = 3
    """3 for color, 1 for gray."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    """Mean of each channel in [0, 1]; the default is ImageNet's."""
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    """Deviation of each channel; the default is ImageNet's."""
    mirrored: bool = True
    """Whether a mirrored picture keeps its class; false for text and digits."""
    val_fraction: float = 0.1
    """Share of the training part that is the validation part."""
    split_seed: int = 0
    """Seed of the validation split."""

    def __post_init__(self) -> None:
        check_square(self.size, self.channels, self.mean, self.std)
        super().__post_init__()

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are those of the files under root, none as long as root is not set."""
        folder = self._folder()
        return DatasetInfo(
            title="Hugging Face images",
            classes=_names_on_disk(folder, self.train, self.label) if folder is not None else (),
            shape=(self.channels, self.size, self.size),
            mean=self.mean,
            std=self.std,
            license="that of the dataset",
            source=f"Hugging Face: {self.repository}" if self.repository else "a Hugging Face dataset",
            sizes={},
            split="the parts named by train and test; validation is cut from train with split_seed, every class in equal measure",
            layout=LAYOUT,
            hint="With repository set to a name on the Hub, the method download() of the config fetches it.",
            mirror=self.mirrored,
        )

    def _folder(self) -> Path | None:
        if self.root is not None:
            return Path(self.root)
        if self.repository is None:
            return None
        return (
            data_folder()
            / self.family
            / "--".join([*self.repository.split("/"), *([self.subset] if self.subset else [])])
        )

    def download(self, progress: Progress | None = None) -> Path:
        """Fetch `repository` from the Hub, with the progress bars of the package datasets, and save it on disk.

        Raises:
            DataError: no repository is named, the package is missing, or the Hub cannot be reached.
        """
        library, folder = _library(), self._folder()
        if self.repository is None or folder is None:
            raise DataError("set repository to the name of a dataset on the Hub, such as uoft-cs/cifar10")
        if not _has_files(folder):
            try:
                library.load_dataset(self.repository, self.subset).save_to_disk(str(folder))
            except (OSError, ValueError, library.exceptions.DatasetsError) as error:
                raise DataError(f"{self.repository} cannot be fetched from the Hub: {error}") from None
        return folder

    def read(self) -> Splits:
        folder = self._folder()
        if folder is None or not _has_files(folder):
            raise DataError(self._missing([folder] if folder is not None else []))
        parts = self._open(folder)
        train, test = (HFPictures(parts[part], part, self) for part in (self.train, self.test))
        kept, val = carve_validation(train, self.val_fraction, self.split_seed)
        return Splits(train=kept, val=val, test=test)

    def _open(self, folder: Path) -> Any:
        """Part → dataset, pictures left as bytes."""
        library = _library()
        library.disable_progress_bars()
        try:
            found = self._load(library, folder)
        except (OSError, ValueError, library.exceptions.DatasetsError) as error:
            raise DataError(f"{folder} cannot be opened as a Hugging Face dataset: {error}") from None
        for part in (self.train, self.test):
            if part not in found:
                raise ConfigError(f"{folder} has no part {part!r}" + did_you_mean(part, found))
            for column in (self.image, self.label):
                if column not in found[part].column_names:
                    raise ConfigError(
                        f"{folder} has no column {column!r}" + did_you_mean(column, found[part].column_names)
                    )
        return found.cast_column(self.image, library.Image(decode=False))

    def _load(self, library: ModuleType, folder: Path) -> Any:
        if (folder / "dataset_dict.json").is_file():
            return library.load_from_disk(str(folder))
        files = {part: [str(path) for path in _parquet(folder, part)] for part in (self.train, self.test)}
        cache = data_folder() / "cache" / self.family
        return library.load_dataset("parquet", data_files={k: v for k, v in files.items() if v}, cache_dir=str(cache))

    def _classes(self, part: Any) -> tuple[str, ...]:
        names = getattr(part.features[self.label], "names", None)
        if names is None:
            raise ConfigError(f"the column {self.label!r} holds {part.features[self.label]}, which are no class labels")
        return tuple(names)

    def fake(self, n: int, root: Path) -> None:
        library = _library()
        library.disable_progress_bars()
        rng = np.random.default_rng(0)
        features = library.Features(
            {"image": library.Image(), "label": library.ClassLabel(names=["cat", "dog", "owl"])}
        )
        parts = {}
        for part in ("train", "test"):
            pixels = rng.integers(0, 256, (n, 9 * 12 * 3), dtype=np.uint8)
            pictures = [
                {"bytes": b"P6\n12 9\n255\n" + row.tobytes(), "path": f"{i}.ppm"} for i, row in enumerate(pixels)
            ]
            columns = {"image": pictures, "label": [i % 3 for i in range(n)]}
            parts[part] = library.Dataset.from_dict(columns, features=features)
        library.DatasetDict(parts).save_to_disk(str(root))


class HFPictures(Samples):
    """One part of a Hugging Face dataset, decoded when asked for."""

    def __init__(self, part: Any, name: str, config: HFImagesConfig) -> None:
        self._part, self._name, self._config = part, name, config
        count = len(config._classes(part))
        labels = np.array(part[config.label], dtype=np.int64)
        check_labels(labels, count, f"{name}, column {config.label}")
        self._labels = torch.from_numpy(labels)

    def __len__(self) -> int:
        return len(self._labels)

    def inputs(self, indices: Indices) -> Tensor:
        wanted = as_indices(indices).tolist()
        rows = self._part[wanted][self._config.image]
        found = [self._picture(row, index) for row, index in zip(rows, wanted, strict=True)]
        return torch.stack(found).to(torch.float32) / 255

    def _picture(self, row: dict[str, Any] | None, index: int) -> Tensor:
        origin = self.name(index)
        if row is None or (row["bytes"] is None and row["path"] is None):
            raise DataError(f"{origin}: no picture")
        data = row["bytes"]
        if data is None:
            try:
                data = Path(row["path"]).read_bytes()
            except OSError as error:
                raise DataError(f"{origin}: not a readable picture: {error}") from None
        return parse_picture(data, origin, self._config.channels, self._config.size)

    def targets(self, indices: Indices) -> Tensor:
        return self._labels[as_indices(indices)]

    def name(self, index: int) -> str:
        return f"{self._name}#{index}"


def _parquet(root: Path, part: str) -> list[Path]:
    return sorted(p for folder in (root, root / "data") for p in folder.glob(f"{part}-*.parquet"))


def _has_files(root: Path) -> bool:
    return (root / "dataset_dict.json").is_file() or any(
        next(folder.glob("*.parquet"), None) for folder in (root, root / "data")
    )


def _names_on_disk(root: Path, part: str, column: str) -> tuple[str, ...]:
    """Names of the classes as the files state them, without opening the data; none where they do not."""
    stated = root / part / "dataset_info.json"
    parquet = _parquet(root, part)
    try:
        if stated.is_file():
            features = json.loads(stated.read_text(encoding="utf-8"))["features"]
        elif parquet:
            from pyarrow.parquet import read_schema

            features = json.loads(read_schema(parquet[0]).metadata[b"huggingface"])["info"]["features"]
        else:
            return ()
        return tuple(features[column]["names"])
    except (ImportError, OSError, ValueError, KeyError, TypeError):
        return ()  # opening the data says what is wrong


def _library() -> ModuleType:
    try:
        import datasets
    except ImportError:
        raise DataError(
            "Hugging Face datasets need the package datasets; install the extra: pip install 'spikeformers[hf]'"
        ) from None
    module: ModuleType = datasets
    return module

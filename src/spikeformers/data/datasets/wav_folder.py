"""Any folder of WAV files with one sub-folder a class."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.audio.files import SoundFiles, fake_sound
from spikeformers.data.audio.view import LogMel, SoundConfig
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, data_folder
from spikeformers.data.folders import check_fractions, classes_under, folder_layout, folder_splits, labeled_files
from spikeformers.data.formats.wav import ENDINGS, write_wav
from spikeformers.data.samples import Splits

LAYOUT = folder_layout("RECORDING", "wav")


@DATASETS.register("wav_folder")
@dataclass(frozen=True, kw_only=True)
class WavFolderConfig(DataConfig):
    """WAV files in one folder a class, decoded when asked for, as steps [T, D]; set root."""

    rate: int = 16000
    """Samples per second that all recordings are brought to."""
    sound: SoundConfig = LogMel(steps=100, hop=160, window=512)
    """What a step is made of; by default log energies of 40 mel bands, 100 steps of 10 ms."""
    test_fraction: float = 0.1
    """Share of all samples that is the test part, where the folder has none."""
    val_fraction: float = 0.1
    """Share of all samples (of the training part, where the folder has a test part) that is the validation part."""
    split_seed: int = 0
    """Seed of the split."""
    cache: bool = False
    """Keep finished steps in the data folder instead of making them from the recordings each time."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rate < 1:
            raise ConfigError(f"rate={self.rate} must be at least 1 sample per second")
        check_fractions(self.test_fraction, self.val_fraction)

    @property
    def info(self) -> DatasetInfo:
        """The card. The classes are the names of the folders under root, none as long as root is not set."""
        features = self.sound.features
        return DatasetInfo(
            title="WAV folder",
            classes=classes_under(self.root),
            shape=(self.sound.steps, features),
            mean=(0.0,) * features,
            std=(1.0,) * features,
            license="that of the recordings",
            source="one's own recordings",
            sizes={},
            split="the folders train, val and test where they exist (keep speakers apart in them); otherwise drawn with "
            "split_seed, every class in equal measure",
            layout=LAYOUT,
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        root = Path(self.root) if self.root else None
        if root is None or not root.is_dir() or not self.info.classes:
            raise DataError(self._missing([root] if root else []))
        return folder_splits(
            root,
            self._recordings,
            test_fraction=self.test_fraction,
            val_fraction=self.val_fraction,
            seed=self.split_seed,
            layout=LAYOUT,
        )

    def _recordings(self, folder: Path) -> SoundFiles:
        paths, labels = labeled_files(folder, self.info.classes, ENDINGS, LAYOUT)
        cache = data_folder() / "cache" / self.family if self.cache else None
        return SoundFiles(paths, labels, self.rate, self.sound, folder, cache)

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        for i in range(n):
            folder = root / ("bark", "meow", "tweet")[i % 3]
            folder.mkdir(parents=True, exist_ok=True)
            write_wav(folder / f"{i}.wav", fake_sound(rng, 4 * (i % 3), 8000, 0.3), 8000)

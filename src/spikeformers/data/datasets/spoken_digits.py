"""Free Spoken Digit Dataset: 3,000 wav recordings of ten digits by six speakers, 8 kHz."""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.audio.files import SoundFiles, fake_sound
from spikeformers.data.audio.view import LogMel, SoundConfig
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, data_folder
from spikeformers.data.formats.wav import write_wav
from spikeformers.data.samples import Samples, Splits

RATE = 8000
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
LAYOUT = (
    "{digit}_{speaker}_{index}.wav for digits 0 … 9, six speakers and indices 0 … 49 (recordings/ of the repository)"
)


@DATASETS.register("spoken_digits", source="Jackson et al., Jakobovski/free-spoken-digit-dataset")
@dataclass(frozen=True, kw_only=True)
class SpokenDigitsConfig(DataConfig):
    """Free Spoken Digits as steps [T, D]; train, validation and test are different speakers."""

    sound: SoundConfig = LogMel()
    """What a step is made of; by default log energies of 40 mel bands, 64 steps of 12.5 ms."""
    val_speaker: str = "nicolas"
    """Who is the validation part."""
    test_speaker: str = "theo"
    """Who is the test part."""
    cache: bool = False
    """Keep finished steps in the data folder instead of making them at every start; for slow views such as the cochlea."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("val_speaker", "test_speaker"):
            if getattr(self, name) not in SPEAKERS:
                raise ConfigError(f"{name}={getattr(self, name)!r} is not one of {', '.join(SPEAKERS)}")
        if self.val_speaker == self.test_speaker:
            raise ConfigError(f"val_speaker and test_speaker are both {self.test_speaker!r}; they must differ")

    @property
    def info(self) -> DatasetInfo:
        features = self.sound.features
        return DatasetInfo(
            title="Free Spoken Digits",
            classes=tuple("0123456789"),
            shape=(self.sound.steps, features),
            mean=(0.0,) * features,
            std=(1.0,) * features,
            license="CC BY-SA 4.0",
            source="Z. Jackson et al., Jakobovski/free-spoken-digit-dataset",
            sizes={"all": 3000},
            split="speaker-disjoint: 2,000 train (four speakers), 500 validation (val_speaker), 500 test (test_speaker); "
            "the repository's own test split (indices 0 … 4 of every speaker) is not used, it shares speakers",
            layout=LAYOUT,
            hint="Get https://github.com/Jakobovski/free-spoken-digit-dataset and point root to its folder recordings.",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(f"0_{SPEAKERS[0]}_0.wav", inside=("recordings",))
        parts = [p for p in SPEAKERS if p not in (self.val_speaker, self.test_speaker)]
        train, val, test = (self._part(folder, who) for who in (parts, [self.val_speaker], [self.test_speaker]))
        return Splits(train=train, val=val, test=test)

    def _part(self, folder: Path, speakers: list[str]) -> Samples:
        found: list[tuple[str, int, int]] = []
        for path in folder.glob("*.wav"):
            match = NAME.fullmatch(path.name)
            if match is None:
                raise DataError(f"{path}: the name does not tell digit, speaker and index; wanted {LAYOUT}")
            if match[2] in speakers:
                found.append((match[2], int(match[3]), int(match[1])))
        if not found:
            raise DataError(f"{folder} holds no recordings of {', '.join(speakers)}; wanted {LAYOUT}")
        found.sort()
        paths = [folder / f"{digit}_{speaker}_{index}.wav" for speaker, index, digit in found]
        cache = data_folder() / "cache" / self.family if self.cache else None
        return SoundFiles(paths, [digit for _, _, digit in found], RATE, self.sound, folder, cache).in_memory()

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for i in range(max(n, 60)):
            digit, speaker, index = i % 10, SPEAKERS[i // 10 % 6], i // 60
            write_wav(root / f"{digit}_{speaker}_{index}.wav", fake_sound(rng, digit, RATE, 0.25), RATE)

"""Free Spoken Digit Dataset: 3,000 wav recordings of ten digits by six speakers, 8 kHz."""

import re
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.audio import log_mel, read_wav
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.samples import ArraySamples, Samples, Splits

RATE = 8000
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")
LAYOUT = (
    "{digit}_{speaker}_{index}.wav for digits 0 … 9, six speakers and indices 0 … 49 (recordings/ of the repository)"
)
CHUNK = 256
"""Recordings whose spectra are taken at once."""
MEAN, STD = -9.1, 5.1
"""Of the log energies with the default settings, over all speakers; they bring inputs to about zero mean, unit variance."""


@DATASETS.register("spoken_digits", source="Jackson et al., Jakobovski/free-spoken-digit-dataset")
@dataclass(frozen=True, kw_only=True)
class SpokenDigitsConfig(DataConfig):
    """Free Spoken Digits as log-mel spectrograms [T, bands]; train, validation and test are different speakers."""

    steps: int = 64
    """Time steps T; longer recordings are cut, shorter ones padded with silence."""
    bands: int = 40
    """Mel bands, the features of a step."""
    window: int = 256
    """Samples of the window of a step."""
    hop: int = 100
    """Samples between two steps (100 is 12.5 ms)."""
    val_speaker: str = "nicolas"
    """Who is the validation part."""
    test_speaker: str = "theo"
    """Who is the test part."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("steps", "bands", "window", "hop"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        for name in ("val_speaker", "test_speaker"):
            if getattr(self, name) not in SPEAKERS:
                raise ConfigError(f"{name}={getattr(self, name)!r} is not one of {', '.join(SPEAKERS)}")
        if self.val_speaker == self.test_speaker:
            raise ConfigError(f"val_speaker and test_speaker are both {self.test_speaker!r}; they must differ")

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="Free Spoken Digits",
            classes=tuple("0123456789"),
            shape=(self.steps, self.bands),
            mean=(0.0,) * self.bands,
            std=(1.0,) * self.bands,
            license="CC BY-SA 4.0",
            source="Z. Jackson et al., Jakobovski/free-spoken-digit-dataset",
            sizes={"all": 3000},
            split="by speaker: 2,000 train (four speakers), 500 validation (val_speaker), 500 test (test_speaker); "
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
        found: list[tuple[int, str, int]] = []
        for path in folder.glob("*.wav"):
            match = NAME.fullmatch(path.name)
            if match is None:
                raise DataError(f"{path}: the name does not tell digit, speaker and index; wanted {LAYOUT}")
            if match[2] in speakers:
                found.append((int(match[1]), match[2], int(match[3])))
        if not found:
            raise DataError(f"{folder} holds no recordings of {', '.join(speakers)}; wanted {LAYOUT}")
        found.sort(key=lambda item: (item[1], item[2], item[0]))
        names = [f"{digit}_{speaker}_{index}.wav" for digit, speaker, index in found]
        chunks = [names[start : start + CHUNK] for start in range(0, len(names), CHUNK)]
        inputs = torch.cat([self._steps([folder / name for name in chunk]) for chunk in chunks])
        return ArraySamples(inputs, torch.tensor([digit for digit, _, _ in found]), folder.name, names=names)

    def _steps(self, paths: list[Path]) -> torch.Tensor:
        sounds = torch.zeros(len(paths), max(self.steps * self.hop, self.window))
        for sound, path in zip(sounds, paths, strict=True):
            heard = read_wav(path, RATE)[: len(sound)]
            sound[: len(heard)] = heard
        energies = log_mel(sounds, rate=RATE, bands=self.bands, window=self.window, hop=self.hop)
        return (energies[:, : self.steps] - MEAN) / STD

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        for i in range(max(n, 60)):
            digit, speaker, index = i % 10, SPEAKERS[i // 10 % 6], i // 60
            with wave.open(str(root / f"{digit}_{speaker}_{index}.wav"), "wb") as file:
                file.setnchannels(1)
                file.setsampwidth(2)
                file.setframerate(RATE)
                file.writeframes(rng.integers(-9999, 9999, 2000).astype("<i2").tobytes())

"""Speech Commands v2: 105,829 one-second recordings of 35 words, 16 kHz."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spikeformers.core.errors import DataError
from spikeformers.data.audio.files import SoundFiles, fake_sound
from spikeformers.data.audio.view import LogMel, SoundConfig
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo, data_folder
from spikeformers.data.download import RemoteFile
from spikeformers.data.folders import labeled_files
from spikeformers.data.formats.wav import ENDINGS, write_wav
from spikeformers.data.samples import Splits

RATE = 16000
LISTS = ("validation_list.txt", "testing_list.txt")
NOISE = "_background_noise_"
INNER = ("speech_commands_v0.02", "SpeechCommands/speech_commands_v0.02")
WORDS = """
backward bed bird cat dog down eight five follow forward four go happy house learn left marvin nine no off on one right
seven sheila six stop three tree two up visual wow yes zero
"""
CLASSES = tuple(WORDS.split())
LAYOUT = (
    "WORD/SPEAKER_nohash_N.wav for the 35 words (the official archive, unpacked)\n"
    f"{LISTS[0]} and {LISTS[1]}: names WORD/FILE.wav of these parts, one a line; {NOISE} is not used"
)


@DATASETS.register("speech_commands", source="Warden, arXiv:1804.03209")
@dataclass(frozen=True, kw_only=True)
class SpeechCommandsConfig(DataConfig):
    """Speech Commands v2 as steps [T, D]: 35 spoken words, one second each."""

    sound: SoundConfig = LogMel(steps=100, hop=160, window=512, mean=-6.8, std=5.6)
    """What a step is made of; by default log energies of 40 mel bands, 100 steps of 10 ms; its mean and std are unverified guesses."""
    cache: bool = False
    """Keep finished steps in the data folder instead of making them from the recordings each time."""

    @property
    def info(self) -> DatasetInfo:
        features = self.sound.features
        return DatasetInfo(
            title="Speech Commands v2",
            classes=CLASSES,
            shape=(self.sound.steps, features),
            mean=(0.0,) * features,
            std=(1.0,) * features,
            license="CC BY 4.0",
            source="P. Warden: Speech Commands: A Dataset for Limited-Vocabulary Speech Recognition, arXiv:1804.03209",
            sizes={"train": 84843, "validation": 9981, "test": 11005},
            split="official lists, speakers kept apart by the hash of their name; train is what stands in neither list",
            layout=LAYOUT,
            files=(
                RemoteFile(
                    "speech_commands_v0.02.tar.gz",
                    "https://storage.googleapis.com/download.tensorflow.org/data/speech_commands_v0.02.tar.gz",
                    "sha256:af14739ee7dc311471de98f5f9d2c9191b18aedfe957f4a6ff791c709868ff58",
                    unpack=True,
                ),
            ),
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(*LISTS, inside=INNER)
        paths, labels = labeled_files(folder, (*CLASSES, NOISE), ENDINGS, LAYOUT)
        listed = [_listed(folder, name) for name in LISTS]
        if both := listed[0] & listed[1]:
            raise DataError(f"{folder}: {min(both)} stands in both lists; no recording may be in two parts")
        cache = data_folder() / "cache" / self.family if self.cache else None
        parts: list[list[tuple[Path, int]]] = [[], [], []]
        for path, label in zip(paths, labels, strict=True):
            name = path.relative_to(folder).as_posix()
            if label < len(CLASSES):
                parts[1 if name in listed[0] else 2 if name in listed[1] else 0].append((path, label))
        for which, names in enumerate(listed):
            if absent := sorted(names - {path.relative_to(folder).as_posix() for path, _ in parts[1 + which]}):
                raise DataError(
                    f"{folder / LISTS[which]} names {len(absent)} files that are not there, such as {absent[0]}"
                )
        if not parts[0]:
            raise DataError(f"{folder}: every recording stands in a list, so none is left to train on")
        return Splits(
            *[SoundFiles([p for p, _ in part], [y for _, y in part], RATE, self.sound, folder, cache) for part in parts]
        )

    def fake(self, n: int, root: Path) -> None:
        rng = np.random.default_rng(0)
        names: list[str] = []
        for i in range(max(n, 2 * len(CLASSES))):
            name = f"{CLASSES[i % len(CLASSES)]}/{i:08x}_nohash_0.wav"
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            write_wav(root / name, fake_sound(rng, i % len(CLASSES), RATE, 0.5), RATE)
            names.append(name)
        (root / NOISE).mkdir(exist_ok=True)
        write_wav(root / NOISE / "hum.wav", fake_sound(rng, 0, RATE, 2.0), RATE)
        for part, name in enumerate(LISTS):
            (root / name).write_text("".join(f"{line}\n" for line in names[part::5]))


def _listed(folder: Path, name: str) -> set[str]:
    lines = (folder / name).read_text(encoding="utf-8").split()
    if not lines:
        raise DataError(f"{folder / name}: is empty; it must hold names WORD/FILE.wav, one a line")
    return set(lines)

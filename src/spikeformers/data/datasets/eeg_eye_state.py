"""EEG eye state: 117 s of 14-channel EEG of one person, eyes open or closed at every sample."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from spikeformers.core.errors import ConfigError, DataError
from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.formats.arff import read_arff, write_arff
from spikeformers.data.samples import ArraySamples, Samples, Splits
from spikeformers.data.signals import band_pass, standardize

FILE = "eeg-eye-state.arff|EEG Eye State.arff"
CHANNELS = ("AF3", "F7", "F3", "FC5", "T7", "P7", "O1", "O2", "P8", "T8", "FC6", "F4", "F8", "AF4")
RATE = 128


@DATASETS.register("eeg_eye_state", source="Roesler 2013, UCI Machine Learning Repository")
@dataclass(frozen=True, kw_only=True)
class EEGEyeStateConfig(DataConfig):
    """EEG eye state: windows [T, 14] of one person's EEG; the label is the eyes' state at the end of the window."""

    window: int = 64
    """Time steps T of a window (64 is half a second)."""
    stride: int = 16
    """Steps between the starts of two windows."""
    blocks: int = 10
    """Consecutive blocks of equal duration that the recording is cut into; windows never cross them."""
    low_hz: float | None = None
    """Lower edge of the band that is kept, filtered block by block; None leaves it open."""
    high_hz: float | None = None
    """Upper edge of the band that is kept, below 64 Hz; None leaves it open."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("window", "stride"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} must be at least 1")
        if self.blocks < 5:
            raise ConfigError(f"blocks={self.blocks} must be at least 5, so that each part gets one")

    @property
    def info(self) -> DatasetInfo:
        return DatasetInfo(
            title="EEG eye state",
            classes=("open", "closed"),
            shape=(self.window, len(CHANNELS)),
            mean=(0.0,) * len(CHANNELS),
            std=(1.0,) * len(CHANNELS),
            license="CC BY 4.0 (UCI Machine Learning Repository)",
            source="O. Roesler: EEG Eye State, UCI Machine Learning Repository, 2013; Emotiv EPOC, 128 Hz",
            sizes={"steps": 14980},
            split="by time, one person: of every five consecutive blocks the fourth is validation, the fifth test; windows "
            "stay inside their block, so none shares a step with another part",
            layout=f"{FILE.split('|')[0]}: ARFF with the 14 channels {', '.join(CHANNELS)} and eyeDetection {{0,1}}",
            hint="Get it from https://archive.ics.uci.edu/dataset/264/eeg+eye+state",
            mirror=False,
            unit_range=False,
        )

    def read(self) -> Splits:
        folder = self.locate(FILE)
        path = next(folder / name for name in FILE.split("|") if (folder / name).exists())
        names, table = read_arff(path)
        if names != [*CHANNELS, "eyeDetection"]:
            raise DataError(
                f"{path}: the attributes are {', '.join(names)}; wanted {', '.join(CHANNELS)}, eyeDetection"
            )
        labels = torch.from_numpy(table[:, -1].astype(np.int64))
        edges = np.linspace(0, len(table), self.blocks + 1).astype(int)
        owner = [("train", "train", "train", "val", "test")[b % 5] for b in range(self.blocks)]
        train_rows = np.concatenate(
            [np.arange(edges[b], edges[b + 1]) for b in range(self.blocks) if owner[b] == "train"]
        )
        scaled = standardize(table[:, :-1], table[train_rows, :-1], str(path))
        blocks = [
            band_pass(block, RATE, self.low_hz, self.high_hz, str(path)) for block in np.split(scaled, edges[1:-1])
        ]
        signals = torch.from_numpy(np.concatenate(blocks).astype(np.float32))
        starts: dict[str, list[int]] = {"train": [], "val": [], "test": []}
        for b, part in enumerate(owner):
            starts[part].extend(range(edges[b], edges[b + 1] - self.window + 1, self.stride))
        if not all(starts.values()):
            raise ConfigError(
                f"window={self.window} is longer than a block of {len(table) // self.blocks} steps; take fewer blocks"
            )
        return Splits(*[self._windows(signals, labels, starts[part], path) for part in ("train", "val", "test")])

    def _windows(self, signals: torch.Tensor, labels: torch.Tensor, starts: list[int], path: Path) -> Samples:
        steps = torch.tensor(starts)[:, None] + torch.arange(self.window)
        return ArraySamples(
            signals[steps], labels[steps[:, -1]], path.name, names=[f"step {start}" for start in starts]
        )

    def fake(self, n: int, root: Path) -> None:
        root.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(0)
        steps = self.blocks * (self.window + self.stride * -(-n // 5))
        table = np.hstack(
            [4000 + 10 * rng.standard_normal((steps, 14)).round(2), (np.arange(steps) // 40 % 2)[:, None]]
        )
        write_arff(root / FILE.split("|")[0], "EEG_DATA", [*CHANNELS, "eyeDetection"], table, {"eyeDetection": "{0,1}"})

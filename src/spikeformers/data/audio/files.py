"""Samples that are sound files, decoded and turned into steps when asked for."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from spikeformers.data.audio.view import SoundConfig
from spikeformers.data.events.cache import cache_key, load_cached, store_cached
from spikeformers.data.formats.wav import read_wav
from spikeformers.data.samples import ArraySamples, Indices, Samples, as_indices
from spikeformers.data.signals import resample

CHUNK = 256
"""Recordings whose steps are made at once when all are read."""


def load_sound(path: Path, rate: int) -> Tensor:
    """Samples [N] of a WAV file, channels averaged, resampled to `rate` per second.

    Raises:
        DataError: as `read_wav`.
    """
    values, found = read_wav(path)
    return torch.from_numpy(resample(values.mean(1), found, rate))


class SoundFiles(Samples):
    """WAV files as steps [n, T, D].

    Args:
        paths: one file a sample.
        labels: its class.
        rate: samples per second that all are brought to.
        view: how they become steps.
        folder: what names of samples are relative to.
        cache: folder in which finished steps are kept; None makes them each time.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        labels: Sequence[int],
        rate: int,
        view: SoundConfig,
        folder: Path,
        cache: Path | None = None,
    ) -> None:
        self._paths, self._rate, self._view, self._folder, self._cache = list(paths), rate, view, folder, cache
        self._labels = torch.tensor(labels, dtype=torch.int64)

    def __len__(self) -> int:
        return len(self._paths)

    def inputs(self, indices: Indices) -> Tensor:
        paths = [self._paths[i] for i in as_indices(indices).tolist()]
        return torch.stack([self._kept(path) for path in paths]) if self._cache else self._made(paths)

    def targets(self, indices: Indices) -> Tensor:
        return self._labels[as_indices(indices)]

    def name(self, index: int) -> str:
        return self._paths[index].relative_to(self._folder.parent).as_posix()

    def in_memory(self) -> ArraySamples:
        """The same samples, all read now."""
        chunks = [self.inputs(chunk) for chunk in torch.arange(len(self)).split(CHUNK)]
        names = [path.relative_to(self._folder).as_posix() for path in self._paths]
        return ArraySamples(torch.cat(chunks), self._labels, self._folder.name, names=names)

    def _kept(self, path: Path) -> Tensor:
        if self._cache is None:
            return self._made([path])[0]
        key = cache_key(self._cache, path, self._rate, self._view.to_dict())
        found = load_cached(self._cache, key)
        if found is None:
            found = self._made([path])[0]
            store_cached(self._cache, key, found)
        return found

    def _made(self, paths: Sequence[Path]) -> Tensor:
        sounds = torch.zeros(len(paths), self._view.length)
        for sound, path in zip(sounds, paths, strict=True):
            heard = load_sound(path, self._rate)[: len(sound)]
            sound[: len(heard)] = heard
        return self._view.view(sounds, self._rate)


def fake_sound(rng: np.random.Generator, label: int, rate: int, seconds: float) -> np.ndarray:
    """A made-up sound: a tone that the label sets the pitch of, in noise."""
    t = np.arange(round(seconds * rate)) / rate
    tone: np.ndarray = 0.3 * np.sin(2 * np.pi * (200 + 40 * label) * t) + 0.05 * rng.standard_normal(len(t))
    return tone

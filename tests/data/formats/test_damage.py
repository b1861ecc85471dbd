"""Files damaged at random: they are read or refused, never a traceback. The seeds are fixed."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from spikeformers.core.errors import DataError
from spikeformers.data.formats.edf import Annotation, read_edf, write_edf
from spikeformers.data.formats.ts import read_ts, write_ts
from spikeformers.data.formats.wav import read_wav, write_wav

TRIES = 250
NASTY = (0, 255, *b" -0:9,.?\n")


def wav(path: Path) -> None:
    write_wav(path, np.full((20, 2), 0.3), 8000)


def edf(path: Path) -> None:
    write_edf(path, {"C3": np.arange(32.0)}, 16, annotations=[Annotation(1.0, 1.0, "x")])


def ts(path: Path) -> None:
    write_ts(path, "P", [np.array([[1.0, np.nan, 3.0]])] * 9, ["a", "b", "a"] * 3)


def read_all(path: Path) -> None:
    file = read_edf(path)
    for channel in file.channels:
        assert np.isfinite(file.values(channel)).all()
    file.annotations()


@pytest.mark.parametrize(("write", "read"), [(wav, read_wav), (edf, read_all), (ts, read_ts)])
def test_damage_is_refused_or_harmless(
    write: Callable[[Path], None], read: Callable[[Path], object], tmp_path: Path
) -> None:
    path, rng = tmp_path / "file", np.random.default_rng(0)
    write(path)
    good = path.read_bytes()
    refused = []
    for _ in range(TRIES):
        data = bytearray(good)
        for place in rng.integers(0, len(data), rng.integers(1, 4)):
            data[place] = rng.choice(NASTY)
        path.write_bytes(data if rng.random() < 0.7 else data[: rng.integers(0, len(data))])
        try:
            read(path)
        except DataError as error:
            refused.append(str(error))
    assert 0 < len(refused) < TRIES
    assert all(str(path) in message for message in refused)

"""The pieces of the CPU kernels: scalar functions and the cache on disk."""

import os
from pathlib import Path

import numpy as np
import pytest

from spikeformers.kernels.scan.cpu.run import toolchain
from spikeformers.kernels.scan.source import cache_folder, load

FUNCTIONS = {
    "exp32": (np.exp, 1.5),
    "tanh32": (np.tanh, 2.0),
    "log32": (np.log, 1.5),
    "sigmoid32": (lambda v: 1 / (1 + np.exp(-v)), 2.5),
}
SOURCE = """import numpy as np
from numba import cfunc

from spikeformers.kernels.scan.cpu import math as fm


@cfunc("void(CPointer(int64))", cache=True)
def entry(a):
    x, y = fm.pointer(a[1], np.float32(0)), fm.pointer(a[2], np.float32(0))
    for i in range(a[0]):
        y[i] = fm.{name}(x[i])
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_float32_are_within_two_units_and_right_at_the_edges(name: str) -> None:
    exact, units = FUNCTIONS[name]
    random = np.random.default_rng(0)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 88.72, 88.73, -87.4, -103.9, -104.1, 1e38, -1e38, 0.625, -0.625]
    x = np.concatenate([random.normal(size=40_000) * 30, random.normal(size=40_000), edges]).astype(np.float32)
    y = np.empty_like(x)
    arguments = np.array([x.size, x.ctypes.data, y.ctypes.data], dtype=np.int64)
    load(SOURCE.format(name=name), "entry", toolchain()).ctypes(
        arguments.ctypes.data_as(np.ctypeslib.ctypes.POINTER(np.ctypeslib.ctypes.c_int64))
    )
    with np.errstate(all="ignore"):
        true = exact(x.astype(np.float64))
        rounded = true.astype(np.float32)
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    normal = finite & (np.abs(rounded) > np.finfo(np.float32).tiny)
    error = np.abs(y[normal] - true[normal]) / np.spacing(np.abs(rounded[normal]))
    assert error.max() <= units
    assert np.abs(y[finite & ~normal] - true[finite & ~normal]).max(initial=0) < 1e-37


def test_a_kernel_is_written_whole_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_CACHE", str(tmp_path))
    source = "entry = 1\n"
    assert load(source, "entry", "test") == 1
    (file,) = (tmp_path / "kernels").glob("*.py")
    before = file.stat().st_mtime_ns
    assert load(source, "entry", "test") == 1
    assert file.stat().st_mtime_ns == before
    assert [p.name for p in (tmp_path / "kernels").iterdir() if p.suffix == ".tmp"] == []


def test_an_unusable_cache_folder_is_replaced_by_a_private_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("SPIKEFORMERS_CACHE", str(blocked))
    folder = cache_folder()
    assert os.access(folder, os.W_OK)
    assert blocked not in folder.parents

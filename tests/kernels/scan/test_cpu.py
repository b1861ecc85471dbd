"""The pieces of the CPU kernels: scalar functions and the cache on disk."""

import math
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from spikeformers.kernels.scan import Definition, scan
from spikeformers.kernels.scan.cpu import run
from spikeformers.kernels.scan.cpu.emit import Mode, backward_source, forward_source
from spikeformers.kernels.scan.cpu.run import toolchain
from spikeformers.kernels.scan.source import cache_folder, load

SOURCES = (forward_source, backward_source)
FUNCTIONS = {
    "exp32": (np.exp, 1.5),
    "tanh32": (np.tanh, 2.0),
    "log32": (np.log, 1.5),
    "sigmoid32": (lambda v: 1 / (1 + np.exp(-v)), 2.5),
    "sin32": (np.sin, 2.0),
    "cos32": (np.cos, 2.0),
    "atan32": (np.arctan, 2.0),
    "erf32": (np.vectorize(math.erf), 2.0),
}
SOURCE = """import numpy as np
from numba import cfunc

from spikeformers.kernels.scan.cpu import math as fm
from spikeformers.kernels.scan.cpu.{module} import {name} as function


@cfunc("void(CPointer(int64))", cache=True)
def entry(a):
    x, y = fm.pointer(a[1], np.float32(0)), fm.pointer(a[2], np.float32(0))
    for i in range(a[0]):
        y[i] = function(x[i])
"""


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_of_float32_are_within_two_units_and_right_at_the_edges(name: str) -> None:
    exact, units = FUNCTIONS[name]
    random = np.random.default_rng(0)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40, 88.72, 88.73, -87.4, -103.9, -104.1, 1e38, -1e38, 0.625, -0.625]
    edges += [0.875, 2.4142136, 0.41421357, 4.0, 1.5707964, 3.1415927, 1e5, -2.0e8, 268435456.0, 2.7e8]
    x = np.concatenate([random.normal(size=40_000) * 30, random.normal(size=40_000), edges]).astype(np.float32)
    y = np.empty_like(x)
    arguments = np.array([x.size, x.ctypes.data, y.ctypes.data], dtype=np.int64)
    module = "trigonometry" if name in ("sin32", "cos32", "atan32") else "math"
    load(SOURCE.format(name=name, module=module), "entry", toolchain()).ctypes(
        arguments.ctypes.data_as(np.ctypeslib.ctypes.POINTER(np.ctypeslib.ctypes.c_int64))
    )
    with np.errstate(all="ignore"):
        true = exact(x.astype(np.float64))
        rounded = true.astype(np.float32)
    if name in ("sin32", "cos32"):  # NaN where the phase is not known any more
        rounded[np.abs(x) > 2.0**28] = np.nan
    finite = np.isfinite(rounded)
    np.testing.assert_array_equal(y[~finite], rounded[~finite])
    normal = finite & (np.abs(rounded) > np.finfo(np.float32).tiny)
    error = np.abs(y[normal] - true[normal]) / np.spacing(np.abs(rounded[normal]))
    assert error.max() <= units
    assert np.abs(y[finite & ~normal] - true[finite & ~normal]).max(initial=0) < 1e-37


def test_every_function_becomes_vector_code(case: Any) -> None:
    program = case("smooth").definition.program
    for source in (emitted(program, Mode("float32", "float32", (False,), False, False)) for emitted in SOURCES):
        space: dict[str, Any] = {}
        exec(source.replace("cache=True", "cache=False"), space)
        code = space["entry"]._library.get_llvm_str()
        assert re.search(r"fdiv <\d+ x float>", code)
        assert not re.search(r"call float @(?!llvm)", code), "a function of the C library keeps the loop scalar"


class Bump:
    def derivative(self, ops: Any, u: Any) -> Any:
        return 1.0 / (1.0 + u * u)


def test_constants_share_a_compiled_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPIKEFORMERS_CACHE", str(tmp_path))
    x = torch.randn(3, 40)

    def neuron(tau: float, threshold: float) -> Definition:
        def step(ops: Any, x: Any, v: Any) -> Any:
            h = v + (x - v) / tau
            y = ops.spike(h - threshold)
            return y, {"v": (1.0 - ops.detach(y)) * h + 0.123}

        return Definition(f"constants {tau} {threshold}", step, {"v": 0.0}, (), Bump())

    for tau, threshold in ((1.7, 0.3), (3.1, 0.7)):
        leaf = x.clone().requires_grad_()
        definition = neuron(tau, threshold)
        fused, _ = scan(definition, leaf, None, {}, keep=False, backend="cpu")
        (gradient,) = torch.autograd.grad(fused.sum(), leaf)
        reference, _ = scan(definition, leaf, None, {}, keep=False, backend="reference")
        assert torch.equal(fused, reference)
        torch.testing.assert_close(gradient, torch.autograd.grad(reference.sum(), leaf)[0])
        assert len(list((tmp_path / "kernels").glob("*.py"))) == 2  # one forward, one backward


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_results_stored_past_the_caches_are_the_same(
    dtype: torch.dtype, case: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def results(count: int) -> list[torch.Tensor]:
        torch.manual_seed(0)
        x = torch.randn(3, count, dtype=dtype).requires_grad_()
        y, _ = scan(case("leaky").definition, x, None, {}, keep=False, backend="cpu")
        return [y.detach(), *torch.autograd.grad(y, x, torch.randn_like(y))]

    for count in (1, 7, 64, 1001, 70_003):  # rows that start anywhere, shorter than a vector, and of several threads
        monkeypatch.setattr(run, "_PAST_CACHE", 2**60)
        usual = results(count)
        monkeypatch.setattr(run, "_PAST_CACHE", 0)
        assert all(torch.equal(a, b) for a, b in zip(results(count), usual, strict=True))


def test_results_past_the_caches_leave_in_whole_vectors(case: Any) -> None:
    program = case("leaky").definition.program
    for source in (emitted(program, Mode("float32", "float32", (), False, False)) for emitted in SOURCES):
        space: dict[str, Any] = {}
        exec(source.replace("cache=True", "cache=False"), space)
        code = space["entry"]._library.get_llvm_str()
        assert re.search(r"store <8 x float> .*align 32.*!nontemporal", code)


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

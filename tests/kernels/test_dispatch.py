"""Which implementation runs, and what is said about it."""

import logging
from typing import Any

import pytest
import torch

from spikeformers.core.errors import BackendError, ConfigError
from spikeformers.kernels.dispatch import VARIABLE, choose, instead_of_auto, watch
from spikeformers.kernels.scan import BACKENDS, Definition, scan

CPU, FLOAT = torch.device("cpu"), torch.float32


class Bump:
    def derivative(self, ops: Any, u: Any) -> Any:
        return 1.0 / (1.0 + u * u)


def leaky(ops: Any, x: Any, v: Any) -> Any:
    h = 0.5 * v + x
    y = ops.spike(h - 1.0)
    return y, {"v": h - y}


NEURON = Definition("dispatch", leaky, {"v": 0.0}, (), Bump())


def test_processors_get_the_compiled_kernel_and_backward_stays_there() -> None:
    x = torch.randn(3, 4, requires_grad=True)
    with watch() as seen:
        scan(NEURON, x, None, {}, keep=False)[0].sum().backward()
    assert seen == ["scan:cpu", "scan_backward:cpu"]


def test_the_environment_replaces_auto_but_not_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "reference")
    assert choose("scan", "auto", CPU, FLOAT, BACKENDS) == "reference"
    assert choose("scan", "cpu", CPU, FLOAT, BACKENDS) == "cpu"
    with watch() as seen:
        scan(NEURON, torch.randn(3, 4), None, {})
    assert seen == ["scan:reference"]


def test_a_scope_replaces_auto_and_the_environment_but_not_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "cpu")
    with instead_of_auto("reference"):
        assert choose("scan", "auto", CPU, FLOAT, BACKENDS) == "reference"
        assert choose("scan", "cpu", CPU, FLOAT, BACKENDS) == "cpu"
    assert choose("scan", "auto", CPU, FLOAT, BACKENDS) == "cpu"


def test_a_wrong_name_is_refused_with_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match=r"'tritn' is unknown; did you mean 'triton'"):
        choose("scan", "tritn", CPU, FLOAT, BACKENDS)
    monkeypatch.setenv(VARIABLE, "cpuu")
    with pytest.raises(ConfigError, match=VARIABLE):
        choose("scan", "auto", CPU, FLOAT, BACKENDS)


def test_a_named_backend_that_cannot_run_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    with pytest.raises(BackendError, match=r"'triton' of scan cannot run: .*cpu"):
        scan(NEURON, torch.randn(3, 4), None, {}, backend="triton")
    with pytest.raises(BackendError, match="tensors are on meta"):
        scan(NEURON, torch.randn(3, 4, device="meta"), None, {}, backend="cpu")


def test_the_choice_is_logged_once_with_the_reasons(caplog: pytest.LogCaptureFixture) -> None:
    backends = {"fast": lambda device, dtype: "too slow today", "slow": lambda device, dtype: None}
    with caplog.at_level(logging.INFO, logger="spikeformers"):
        for _ in range(3):
            assert choose("a test", "auto", CPU, FLOAT, backends) == "slow"
    assert caplog.messages == ["a test on cpu in float32 runs as slow (fast declined: too slow today)"]


def test_other_devices_fall_back_to_the_reference() -> None:
    assert choose("scan", "auto", torch.device("meta"), FLOAT, BACKENDS) == "reference"

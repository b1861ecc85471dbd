"""Two processes on a CPU train as one process does at the same global batch."""

import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from spikeformers.core.errors import ConfigError
from spikeformers.engine import checkpoint
from spikeformers.engine.run import train
from spikeformers.engine.sync import share_batch_norms
from spikeformers.engine.trainer import machine_count

SCRIPT = str(Path(__file__).with_name("two_processes.py"))


def start(*command: str) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in ("RANK", "LOCAL_RANK", "WORLD_SIZE")}
    environment["OMP_NUM_THREADS"] = "1"
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == ""


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, cheap_energy: None) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    train(runpy.run_path(SCRIPT)["config"](1), folder)
    return folder


@pytest.mark.parametrize(
    "launcher",
    [[], ["-m", "torch.distributed.run", "--nproc-per-node=2", "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0"]],
    ids=["lightning", "torchrun"],
)
def test_gradients_and_metrics_are_those_of_one_process(alone: Path, tmp_path: Path, launcher: list[str]) -> None:
    start(*launcher, SCRIPT, str(tmp_path), "2")
    one, two = (checkpoint.load(folder / "checkpoint/last.ckpt")["model"] for folder in (alone, tmp_path))
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, atol=2e-5, rtol=1e-4, msg=lambda m, n=name: f"{n}: {m}")
    rows = [[json.loads(line) for line in (f / "metrics.jsonl").read_text().splitlines()] for f in (alone, tmp_path)]
    for mine, theirs in zip(*rows, strict=True):
        assert mine == {k: pytest.approx(v, rel=1e-4) if isinstance(v, float) else v for k, v in theirs.items()}
    results = [json.loads((folder / "results.json").read_text()) for folder in (alone, tmp_path)]
    assert results[0]["test/accuracy"] == results[1]["test/accuracy"]


def test_shared_batch_norm_of_one_process_is_batch_norm() -> None:
    torch.distributed.init_process_group("gloo", store=torch.distributed.HashStore(), rank=0, world_size=1)
    try:
        for momentum in (0.1, None):
            plain = nn.Sequential(nn.BatchNorm2d(3, momentum=momentum)).double()
            shared = nn.Sequential(nn.BatchNorm2d(3, momentum=momentum)).double()
            shared.load_state_dict(plain.state_dict())
            shared = share_batch_norms(shared)
            x = torch.randn(4, 3, 5, 5, dtype=torch.double)
            for training in (True, True, False):
                inputs = [x.clone().requires_grad_(), x.clone().requires_grad_()]
                outputs = [m.train(training)(i) for m, i in zip((plain, shared), inputs, strict=True)]
                torch.testing.assert_close(outputs[1], outputs[0])
                for output in outputs:
                    output.pow(3).sum().backward()
                torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
            torch.testing.assert_close(shared.state_dict(), plain.state_dict())
        plain = nn.BatchNorm2d(3, track_running_stats=False).double()
        of_shared = torch.func.grad(lambda x: share_batch_norms(plain)(x).pow(3).sum())(x)
        torch.testing.assert_close(of_shared, torch.func.grad(lambda x: plain(x).pow(3).sum())(x))
    finally:
        torch.distributed.destroy_process_group()


def test_torchrun_and_the_config_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "x", "LOCAL_WORLD_SIZE": "2", "WORLD_SIZE": "4"}.items():
        monkeypatch.setenv(name, value)
    assert machine_count(2) == 2
    with pytest.raises(ConfigError, match=r"add --train\.devices 2"):
        machine_count(1)

from pathlib import Path

import pytest
import torch
from torch import nn

from spikeformers.core.errors import ConfigError
from spikeformers.energy.measured import Counter, measure, rapl


def package(root: Path, index: int, microjoules: int, limit: int = 1000) -> Path:
    zone = root / f"intel-rapl:{index}"
    zone.mkdir()
    (zone / "energy_uj").write_text(f"{microjoules}\n")
    (zone / "max_energy_range_uj").write_text(f"{limit}\n")
    return zone / "energy_uj"


def test_packages_are_summed_and_wrap_around(tmp_path: Path) -> None:
    first, second = package(tmp_path, 0, 900), package(tmp_path, 1, 100)
    package(tmp_path, 2, 5).parent.rename(tmp_path / "intel-rapl:0:0")  # a part of a package, already in it
    counter = rapl(tmp_path)
    assert isinstance(counter, Counter)
    assert counter.joules() == 0
    first.write_text("50")
    second.write_text("130")
    assert counter.joules() == pytest.approx(180e-6)
    first.write_text("70")
    assert counter.joules() == pytest.approx(200e-6)


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    assert "no RAPL" in str(rapl(tmp_path))
    package(tmp_path, 0, 1).unlink()
    assert "cannot be read" in str(rapl(tmp_path))


def test_joules_are_per_batch_and_missing_ones_give_the_reason() -> None:
    model, x = nn.Linear(3, 2).train(), torch.rand(4, 3)
    readings = iter([10.0, 16.0])
    found = measure(model, x, repeats=3, counter=Counter("a meter", lambda: next(readings)))
    assert (found["joules"], found["joules_source"]) == (2.0, "a meter")
    assert found["seconds"]["min"] <= found["seconds"]["median"] <= found["seconds"]["max"]
    assert model.training
    without = measure(model, x, repeats=1, counter="there is none")
    assert (without["joules"], without["joules_missing"]) == (None, "there is none")
    with pytest.raises(ConfigError, match="repeats=0"):
        measure(model, x, repeats=0)

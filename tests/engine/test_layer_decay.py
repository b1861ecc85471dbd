"""Layer-wise learning rates and recomputed blocks, from the config to the optimizer."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from spikeformers import create_model
from spikeformers.core.errors import ConfigError
from spikeformers.engine.config import RunConfig
from spikeformers.engine.optim.adamw import AdamWConfig
from spikeformers.engine.run import train
from spikeformers.models.adapt import depths
from spikeformers.models.base import MODELS


def test_each_block_learns_more_slowly_than_the_next() -> None:
    model = create_model("spikformer_tiny", depth=2)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = AdamWConfig(lr=0.1, layer_decay=0.5, weight_decay=0.3).build(model).param_groups
    rates = {
        names[id(p)].split(".")[0 if "blocks" not in names[id(p)] else 1]: g["lr"] for g in groups for p in g["params"]
    }
    assert rates == pytest.approx({"stem": 0.0125, "0": 0.025, "1": 0.05, "head": 0.1})
    placed = [names[id(p)] for g in groups for p in g["params"]]
    assert sorted(placed) == sorted(names.values())
    assert {g["weight_decay"] for g in groups} == {0.3, 0.0}


@pytest.mark.parametrize("family", MODELS.families())
def test_every_parameter_has_one_group_its_rate_rises_with_depth_and_norms_are_not_decayed(family: str) -> None:
    with torch.device("meta"):
        model = create_model(f"{family}_tiny")
    groups = AdamWConfig(lr=0.1, layer_decay=0.5, weight_decay=0.3).build(model).param_groups
    placed = [(id(p), g["lr"], g["weight_decay"]) for g in groups for p in g["params"]]
    assert sorted(one for one, _, _ in placed) == sorted(id(p) for p in model.parameters() if p.requires_grad)
    rate, decay = {one: lr for one, lr, _ in placed}, {one: weight for one, _, weight in placed}
    depth = depths(model)
    by_depth = {depth[name]: rate[id(p)] for name, p in model.named_parameters() if p.requires_grad}
    rising = [by_depth[level] for level in sorted(by_depth)]
    assert rising == sorted(rising)
    assert rising[-1] == 0.1
    assert len(set(rising)) == len(rising) > 1
    for module in model.modules():
        for name, p in module.named_parameters(recurse=False):
            norm = isinstance(module, nn.modules.batchnorm._BatchNorm | nn.LayerNorm)
            if norm or name == "bias":
                assert decay[id(p)] == 0.0, (type(module), name)
            elif isinstance(module, nn.Conv2d | nn.Linear):
                assert decay[id(p)] == 0.3, (type(module), name)


def test_parameters_outside_the_network_count_as_its_stem() -> None:
    both = nn.ModuleDict({"encoder": nn.Linear(2, 2), "model": create_model("spikformer_tiny")})
    groups = AdamWConfig(lr=1.0, layer_decay=0.5).build(both).param_groups
    rate = {id(p): g["lr"] for g in groups for p in g["params"]}
    assert rate[id(both["encoder"].weight)] == 0.25 == min(rate.values())


def test_without_layer_decay_there_is_one_rate() -> None:
    groups = AdamWConfig(lr=0.1).build(create_model("spikformer_tiny")).param_groups
    assert [(g["lr"], g["weight_decay"]) for g in groups] == [(0.1, 0.05), (0.1, 0.0)]


@pytest.mark.parametrize("value", [0.0, 1.5, -1.0])
def test_a_decay_outside_its_range_is_refused(value: float) -> None:
    with pytest.raises(ConfigError, match="layer_decay"):
        AdamWConfig(layer_decay=value)


@pytest.mark.usefixtures("cheap_energy")
def test_recomputed_blocks_train_the_same_model_and_the_schedule_keeps_the_scales(
    tiny: RunConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[float]] = []
    step = torch.optim.AdamW.step

    def record(self: torch.optim.AdamW, *args: object, **kwargs: object) -> object:
        seen.append([group["lr"] / group["lr_scale"] for group in self.param_groups])
        return step(self, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.optim.AdamW, "step", record)
    config = tiny.but(optim=AdamWConfig(lr=1e-3, layer_decay=0.5), train=tiny.train.but(epochs=1))
    results = []
    for name, recompute in (("plain", False), ("recomputed", True)):
        train(config.but(train=config.train.but(checkpoint_blocks=recompute)), tmp_path / name)
        results.append(json.loads((tmp_path / name / "results.json").read_text()))
    assert results[0]["test/loss"] == pytest.approx(results[1]["test/loss"], rel=1e-4)
    assert seen
    assert all(rates == pytest.approx([rates[0]] * len(rates)) for rates in seen)
    lines = [json.loads(line) for line in (tmp_path / "plain" / "metrics.jsonl").read_text().splitlines()]
    assert next(line["lr"] for line in lines if "lr" in line) == pytest.approx(seen[len(seen) // 2 - 1][0])

"""Every recipe is a complete run: it builds, survives YAML, and fits its data."""

from pathlib import Path

import pytest
import torch

from spikeformers.engine.config import RunConfig
from spikeformers.recipes import RECIPES

NAMES = RECIPES.names()


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_survives_yaml(name: str, tmp_path: Path) -> None:
    config = RECIPES.config(name)
    path = tmp_path / "config.yaml"
    path.write_text(config.to_yaml(), encoding="utf-8")
    assert RunConfig.from_yaml(path) == config
    assert config.name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_fits_its_data_and_says_what_it_is(name: str) -> None:
    config = RECIPES.config(name)
    config.task.check(config.model, config.encoder, config.data.info)
    with torch.device("meta"):
        config.model.build()
    assert RECIPES.entry(name).cls.__doc__, "the first line of its docstring is what `list recipes` shows"
    assert RECIPES.entry(name).source

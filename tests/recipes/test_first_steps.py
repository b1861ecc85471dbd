"""The first trainings learn from real data, and their command lines say what they mean."""

import json
from pathlib import Path

import pytest
import torch

from spikeformers.cli.request import read_config, read_request
from spikeformers.core.errors import DataError
from spikeformers.data.datasets.mnist import FashionMNISTConfig
from spikeformers.engine.config import RunConfig
from spikeformers.engine.run import train
from spikeformers.recipes import RECIPES


def test_the_loss_on_real_garments_falls_within_a_few_dozen_steps(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    try:
        FashionMNISTConfig().read()
    except DataError:
        pytest.skip("needs Debian's package dataset-fashion-mnist")
    recipe = RECIPES.config("spikformer_fashion_mnist_2000")
    config = recipe.but(
        data=recipe.data.but(limit=240, eval_limit=100),
        model=recipe.model.but(timesteps=2),
        train=recipe.train.but(epochs=3, batch_size=16, accelerator="cpu", ema_decay=None),
    )
    train(config, tmp_path / "run")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in rows if row["split"] == "train"]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0] - 0.1


def test_a_pair_of_sides_on_the_command_line_and_in_yaml(tmp_path: Path) -> None:
    words = "spikformer_permuted_rows --model.img-size 1 28 --train.epochs 3"
    config = read_config(read_request("train", words.split()))
    assert config.model.img_size == (1, 28)
    assert read_config(read_request("train", ["spikformer_digits", "--model.img-size", "16"])).model.img_size == 16
    (tmp_path / "config.yaml").write_text(config.to_yaml(), encoding="utf-8")
    assert RunConfig.from_yaml(tmp_path / "config.yaml") == config
    assert not RunConfig.from_yaml(tmp_path / "config.yaml").differences(config)

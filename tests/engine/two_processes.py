"""A training that tests start by torchrun or by Lightning's own launcher: FOLDER and DEVICES on the command line."""

import sys
import warnings
from pathlib import Path

import torch

import spikeformers.energy
from spikeformers.data.datasets.digits import DigitsConfig
from spikeformers.engine.config import RunConfig, TrainConfig
from spikeformers.engine.optim.sgd import SGDConfig
from spikeformers.engine.run import train
from spikeformers.engine.schedule.constant import ConstantConfig
from spikeformers.models.vision.spikformer import SpikformerConfig


class Prices:
    def to_dict(self) -> dict[str, object]:
        return {"snn_mj": 1.0, "ann_mj": 2.0, "synops": 3.0, "flags": []}


def config(devices: int) -> RunConfig:
    """Three steps of plain gradient descent, so that equal weights mean equal gradients."""
    return RunConfig(
        model=SpikformerConfig(
            img_size=8, in_channels=1, num_classes=10, dim=16, depth=1, heads=2, pools="0011", timesteps=1
        ).but(neuron="relu"),
        data=DigitsConfig(limit=24, eval_limit=21),
        optim=SGDConfig(lr=0.1, momentum=0.0, weight_decay=0.0),
        schedule=ConstantConfig(),
        train=TrainConfig(epochs=1, batch_size=8, eval_batch_size=4, accelerator="cpu", devices=devices),
    )


if __name__ == "__main__":
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    spikeformers.energy.assess = lambda model, twin, batches: Prices()
    train(config(int(sys.argv[2])), Path(sys.argv[1]))

"""What a report shows of a trained model besides numbers."""

from typing import Any

import torch
from torch import Tensor

from spikeformers.data.samples import Samples
from spikeformers.engine.firing import watching
from spikeformers.tasks.base import Task

SHOWN = 256
"""Neurons of a layer in a raster, picked at random and always the same."""


def raster(task: Task, samples: Samples, index: int) -> dict[str, Any]:
    """Which neurons fire at which step while the model looks at one sample.

    Returns:
        The image and the task's answer; for each layer the indices that fire at each step, and how many
        neurons are shown (all, or `SHOWN` picked at random, since a regular pick falls in step with channels).
    """
    layers: dict[str, list[list[int]]] = {}
    sizes: dict[str, int] = {}

    def see(path: str, spikes: Tensor) -> None:
        fired = spikes[:, 0].flatten(1)
        chosen = torch.randperm(fired.shape[1], generator=torch.Generator().manual_seed(0))[:SHOWN]
        fired = fired[:, chosen.sort().values]
        sizes[path] = fired.shape[1]
        layers[path] = [step.nonzero().flatten().tolist() for step in fired]

    device = next(task.parameters()).device
    inputs, targets = samples.inputs([index]), samples.targets([index])
    training = task.training
    task.eval()
    try:
        with torch.no_grad(), watching(task.model, see):
            answer = task.answer(inputs.to(device), targets)
    finally:
        task.train(training)
    image = inputs[0]
    while image.dim() > 2:
        image = image.mean(0)
    return {
        "image": [[round(value, 4) for value in row] for row in image.tolist()],
        **answer,
        "layers": layers,
        "sizes": sizes,
    }

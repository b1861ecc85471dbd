"""Firing rates by layer and step."""

import torch
from torch import Tensor

from spikeformers.metrics.base import Metric, ratio


class FiringRates(Metric):
    """Counts spikes: outputs of neurons that are not 0."""

    def update(self, layer: str, spikes: Tensor) -> None:
        """Take in what one layer fired, [T, B, ...]."""
        fired = spikes.flatten(1).count_nonzero(dim=1)
        self.add(f"{layer}/fired", fired)
        self.add(f"{layer}/sites", torch.full_like(fired, spikes[0].numel()))

    def per_layer(self) -> dict[str, list[float]]:
        """Layer → fraction of its neurons that fire, step by step."""
        layers = [name.removesuffix("/fired") for name in self.sums if name.endswith("/fired")]
        return {
            layer: (self.sums[f"{layer}/fired"].double() / self.sums[f"{layer}/sites"]).tolist() for layer in layers
        }

    def compute(self) -> dict[str, float]:
        fired = [value.sum() for name, value in self.sums.items() if name.endswith("/fired")]
        sites = [value.sum() for name, value in self.sums.items() if name.endswith("/sites")]
        if not fired:
            return {"firing_rate": float("nan")}
        return {"firing_rate": ratio(torch.stack(fired).sum(), torch.stack(sites).sum())}

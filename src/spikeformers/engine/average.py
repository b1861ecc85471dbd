"""Exponential moving average of the weights."""

from typing import Any

import torch
from torch import nn


class WeightAverage:
    r"""Averages every floating-point tensor of a module's state: $\bar w\leftarrow d\,\bar w+(1-d)\,w$.

    Early on the decay is $\min(d, (1+n)/(10+n))$ after n updates, so that short trainings forget their initial weights.

    Args:
        module: what is averaged; its tensors now are the first average.
        decay: d.
    """

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.tensors = {name: value.detach().clone() for name, value in module.state_dict().items()}

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """Take in the module's weights after an optimizer step."""
        weight = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        self.updates += 1
        for name, value in module.state_dict().items():
            mean = self.tensors[name] = self.tensors[name].to(value.device)
            if value.is_floating_point():
                mean.lerp_(value, weight)
            else:
                mean.copy_(value)

    @torch.no_grad()
    def exchange(self, module: nn.Module) -> None:
        """Swap the module's weights with the average; twice is nothing."""
        for name, value in module.state_dict().items():
            kept = value.detach().clone()
            value.copy_(self.tensors[name])
            self.tensors[name] = kept

    def state(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {"updates": self.updates, "tensors": self.tensors}

    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` gave."""
        self.updates = int(state["updates"])
        self.tensors = {name: state["tensors"][name].clone() for name in self.tensors}

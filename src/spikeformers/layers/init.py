"""Initial values that official code prescribes."""

from torch import nn


def truncated_normal(module: nn.Module, std: float = 0.02) -> None:
    """Draw the weights of all convolutions and linear layers below `module` from a truncated normal; zero the biases."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.trunc_normal_(part.weight, std=std)
            if part.bias is not None:
                nn.init.zeros_(part.bias)

"""The transformer block: two branches, each added to what enters it."""

from torch import Tensor, nn


class ResidualBlock(nn.Module):
    """x ← x + attention(x); x ← x + mlp(x). Whether spikes or currents are added is decided by the branches."""

    def __init__(self, attention: nn.Module, mlp: nn.Module) -> None:
        super().__init__()
        self.attention = attention
        self.mlp = mlp

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(x)
        return x + self.mlp(x)

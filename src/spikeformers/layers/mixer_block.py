"""The transformer block on maps, with any mixer in the place of attention."""

from torch import Tensor, nn

from spikeformers.layers.tokens import to_maps, to_tokens


class MapBlock(nn.Module):
    """x ← x + mixer(x) on maps [T, B, C, H, W]; x ← x + mlp(x) on their tokens; maps again.

    Args:
        mixer: a branch that exchanges between places; None for none.
        mlp: a branch on tokens [T, B, N, C].
    """

    def __init__(self, mixer: nn.Module | None, mlp: nn.Module) -> None:
        super().__init__()
        self.mixer = mixer
        self.mlp = mlp

    def forward(self, x: Tensor) -> Tensor:
        if self.mixer is not None:
            x = x + self.mixer(x)
        tokens = to_tokens(x)
        return to_maps(tokens + self.mlp(tokens), *x.shape[3:])


class TokenStage(nn.Sequential):
    """Blocks on tokens, for maps [T, B, C, H, W] → maps of the same shape."""

    def forward(self, x: Tensor) -> Tensor:
        return to_maps(super().forward(to_tokens(x)), *x.shape[3:])

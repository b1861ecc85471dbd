"""Plain transformer blocks on tokens [B, N, C], with softmax and real values: for parts of a network that never spike."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from spikeformers.layers.checks import check_heads


class PlainBlock(nn.Module):
    r"""x ← x + attention(LN(x)); x ← x + mlp(LN(x)), with $\mathrm{softmax}(qk^\top/\sqrt d)\,v$ and GELU.

    Source: Dosovitskiy et al., 'An image is worth 16×16 words', ICLR 2021, arXiv:2010.11929.

    Args:
        dim: width; divisible by heads.
        heads: of the attention.
        mlp_ratio: hidden width over width.
    """

    def __init__(self, dim: int, heads: int, mlp_ratio: float) -> None:
        super().__init__()
        check_heads(dim, heads)
        self.heads = heads
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.proj = nn.Linear(dim, dim)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.fc1 = nn.Linear(dim, round(dim * mlp_ratio))
        self.fc2 = nn.Linear(round(dim * mlp_ratio), dim)

    def attention(self, x: Tensor) -> Tensor:
        """Softmax attention, [B, N, C] → alike."""
        q, k, v = self.qkv(x).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).flatten(2))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


def wave_positions(dim: int, height: int, width: int) -> Tensor:
    r"""Sines and cosines of column and row numbers, [H·W, dim]: $\sin(j\omega_m), \cos(j\omega_m), \sin(i\omega_m), \cos(i\omega_m)$
    with $\omega_m = 10000^{-4m/\mathrm{dim}}$, $m < \mathrm{dim}/4$; `dim` is divisible by 4.
    """
    frequencies = 10000.0 ** (-torch.arange(dim // 4, dtype=torch.float64) * 4 / dim)
    rows = torch.arange(height, dtype=torch.float64).repeat_interleave(width)
    columns = torch.arange(width, dtype=torch.float64).repeat(height)
    angles = [place[:, None] * frequencies for place in (columns, rows)]
    return torch.cat([wave for angle in angles for wave in (angle.sin(), angle.cos())], 1).float()

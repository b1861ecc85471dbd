"""Re-parameterizable convolutions: three linear layers in training, one 3×3 convolution at inference."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from spikeformers.layers.quantized import effective_weight
from spikeformers.layers.time import over_time


class BorderNorm(nn.BatchNorm2d):
    """Batch norm, then a border of one pixel that holds what the norm makes of 0: [B, C, H, W] → [B, C, H+2, W+2].

    The border comes from running statistics and has no gradient.
    """

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        scale = self.weight.detach() / torch.sqrt(self.running_var + self.eps)
        border = (self.bias.detach() - self.running_mean * scale).to(y.dtype).view(1, -1, 1, 1)
        outside = 1.0 - functional.pad(torch.ones_like(y[:1, :1]), [1] * 4)
        return functional.pad(y, [1] * 4) + outside * border


class RepConv(nn.Module):
    r"""1×1, norm, border, depth-wise 3×3, 1×1, norm, and an outer norm; maps [T, B, C, H, W] → [T, B, out_channels, H, W].

    $$y=\mathrm{BN}_3\big(\mathrm{BN}_2(W_2\,(W_d\ast\mathrm{pad}(\mathrm{BN}_1(W_1x))))\big)$$

    The border of one pixel holds what $\mathrm{BN}_1$ makes of 0, from running statistics and without gradient, so the
    whole equals one zero-padded 3×3 convolution, which `merged` returns.

    Args:
        in_channels, out_channels: channels in and out.

    Source: Ding et al., CVPR 2021 (RepVGG); Yao et al., ICLR 2024; BICLab/Spike-Driven-Transformer-V2.
    """

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.point1 = nn.Conv2d(in_channels, in_channels, 1, bias=False)
        self.norm1 = BorderNorm(in_channels)
        self.depth = nn.Conv2d(in_channels, in_channels, 3, groups=in_channels, bias=False)
        self.point2 = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.norm3 = nn.BatchNorm2d(out_channels)

    def forward(self, x: Tensor) -> Tensor:
        parts = (self.point1, self.norm1, self.depth, self.point2, self.norm2, self.norm3)
        return over_time(nn.Sequential(*parts), x)

    def merged(self) -> nn.Conv2d:
        """The one 3×3 convolution with bias that this module equals in eval mode."""
        first, shift = _fold(effective_weight(self.point1)[:, :, 0, 0], torch.zeros(1), self.norm1)
        depth = effective_weight(self.depth)[:, 0]  # [C, 3, 3]
        second = effective_weight(self.point2)[:, :, 0, 0]
        weight = torch.einsum("oc,chw,ci->oihw", second, depth, first)
        bias = second @ (depth.sum((1, 2)) * shift)
        weight, bias = _fold(weight, bias, self.norm2)
        weight, bias = _fold(weight, bias, self.norm3)
        conv = nn.Conv2d(weight.shape[1], weight.shape[0], 3, padding=1, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            conv.weight.copy_(weight)
            conv.bias.copy_(bias)
        return conv


class MergedConv(nn.Module):
    """What stands for a `RepConv` at inference: one convolution, maps [T, B, C, H, W]."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        return over_time(self.conv, x)


def merge_repconvs(model: nn.Module) -> int:
    """Replace every `RepConv` inside `model` by the convolution it equals in eval mode, in place.

    Returns:
        How many were replaced.
    """
    count = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, RepConv):
                setattr(parent, name, MergedConv(child.merged()))
                count += 1
    return count


@torch.no_grad()
def _fold(weight: Tensor, bias: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    scale = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    shift = (bias.to(scale) - norm.running_mean) * scale + norm.bias
    return weight * scale.view(-1, *[1] * (weight.dim() - 1)), shift

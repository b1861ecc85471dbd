"""Batch norm over all processes on devices where torch's own `SyncBatchNorm` does not run (CPU)."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class _AllSum(torch.autograd.Function):
    """Sum over processes; so is its gradient."""

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        x = x.clone(memory_format=torch.contiguous_format)
        torch.distributed.all_reduce(x)
        return x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
        pass

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        total: Tensor = _AllSum.apply(grad)
        return total


class SharedBatchNorm(_BatchNorm):
    r"""Batch norm with the statistics of all processes' batches together: [B, C, ...] → the same shape.

    Sums of $1$, $x$ and then $(x-\mu)^2$ travel, so shares of different size count as they should.
    """

    def _check_input_dim(self, input: Tensor) -> None:  # noqa: A002 (torch's name)
        pass

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        if not self.training:
            return super().forward(input)
        axes = [axis for axis in range(input.dim()) if axis != 1]
        shape = [1, -1] + [1] * (input.dim() - 2)
        wide = input.to(torch.promote_types(input.dtype, torch.float32))
        own = torch.cat([wide.sum(axes), wide.new_tensor([wide.numel() / wide.shape[1]])])
        total = _AllSum.apply(own)
        count = total[-1].detach()
        mean = total[:-1] / count
        centered = wide - mean.view(shape)
        variance = _AllSum.apply(centered.square().sum(axes)) / count
        self._track(mean, variance, count)
        y = centered * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            y = y * self.weight.view(shape) + self.bias.view(shape)
        return y.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if not self.track_running_stats or self.running_mean is None or self.running_var is None:
            return
        assert self.num_batches_tracked is not None
        self.num_batches_tracked.add_(1)
        share = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), share)
        self.running_var.lerp_((variance * count / (count - 1)).to(self.running_var.dtype), share)


def share_batch_norms(module: nn.Module) -> nn.Module:
    """The same module with a `SharedBatchNorm` in the place of every batch norm; tensors and their names stay."""
    if isinstance(module, _BatchNorm) and not isinstance(module, SharedBatchNorm):
        shared = SharedBatchNorm(
            module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats
        )
        for name, parameter in module.named_parameters(recurse=False):
            setattr(shared, name, parameter)
        for name, buffer in module.named_buffers(recurse=False):
            setattr(shared, name, buffer)
        shared.training = module.training
        return shared
    for name, child in module.named_children():
        setattr(module, name, share_batch_norms(child))
    return module

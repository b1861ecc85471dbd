"""Batch norms that see only the visible cells of images of which parts are hidden."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class Visible:
    """Which cells are visible, told to all batch norms below a module.

    A batch norm of maps [n, C, H, W] then takes its statistics over visible cells only and gives zero elsewhere, so that
    hidden cells neither dilute them nor fill up with what convolutions carry across their border (the sparse convolutions
    of Tian et al., 'SparK', ICLR 2023, arXiv:2301.03580). Batch norms of tokens, of maps whose sides are no multiples of
    the grid's, and those that do more than torch's own stay what they are.

    Attributes:
        grid: cells [B, h, w], True where visible; None where nothing is hidden.
    """

    def __init__(self) -> None:
        self.grid: Tensor | None = None

    def tell(self, module: nn.Module, grid: Tensor | None) -> None:
        """Set what is visible from the next forward on, also in the backward pass that belongs to it.

        Args:
            module: its batch norms are changed in place, once each; names of tensors stay.
            grid: see the attribute.
        """
        self.grid = grid
        for part in module.modules():
            # What is derived from torch's batch norms takes other axes, or pads.
            plain = _BatchNorm in type(part).__bases__
            if plain and not isinstance(part.__dict__.get("forward"), _VisibleNorm):
                part.forward = _VisibleNorm(part, self)

    def cells(self, x: Tensor) -> Tensor | None:
        """For maps [n, C, H, W], n a multiple of B with B last, what is visible [n, H, W]; None where that cannot be said."""
        if self.grid is None or x.dim() != 4:
            return None
        batch, height, width = self.grid.shape
        if x.shape[0] % batch or x.shape[2] % height or x.shape[3] % width:
            return None
        fine = self.grid.repeat_interleave(x.shape[2] // height, 1).repeat_interleave(x.shape[3] // width, 2)
        return fine.repeat(x.shape[0] // batch, 1, 1)


class _VisibleNorm:
    """The forward of a batch norm, over visible cells."""

    def __init__(self, norm: nn.Module, visible: Visible) -> None:
        self.norm = norm
        self.visible = visible

    def __call__(self, x: Tensor) -> Tensor:
        forward, cells = type(self.norm).forward, self.visible.cells(x)
        if cells is None:
            return forward(self.norm, x)
        y = forward(self.norm, x.movedim(1, -1)[cells].t()[None, :, :, None])
        out = torch.zeros((*cells.shape, x.shape[1]), dtype=y.dtype, device=y.device)
        out[cells] = y[0, :, :, 0].t()
        return out.movedim(-1, 1)

"""Any model adapted to a training: its layers in order, and blocks that recompute instead of remembering.

By convention the residual blocks of a model (stages of plain networks too) stand in lists called `blocks`, `stages` or
`levels`; everything else belongs to the stem, to the way between blocks, or to the head.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import groupby, zip_longest
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from spikeformers.core.carry import Stateful
from spikeformers.core.errors import ConfigError

_LISTS = ("blocks", "stages", "levels")


def blocks(model: nn.Module) -> list[str]:
    """Paths of a model's blocks, in the order in which they run."""
    return [path for path, is_block in _layers(model, "", False) if is_block]


def depths(model: nn.Module) -> dict[str, int]:
    """Name of each parameter → its depth: 0 the stem, 1 … n the blocks, n + 1 the head.

    What stands between two blocks has the depth of the later one; what stands outside of all layers has depth 0.
    """
    layers = _layers(model, "", False)
    count, here, found = sum(is_block for _, is_block in layers), 0, {}
    for path, is_block in layers:
        here += is_block
        found[path] = here if is_block else here + 1 if here else 0
    out = {}
    for name, _ in model.named_parameters():
        pieces = name.split(".")
        owners = [".".join(pieces[:length]) for length in range(len(pieces), 0, -1)]
        out[name] = min(next((found[owner] for owner in owners if owner in found), 0), count + 1)
    return out


def _layers(module: nn.Module, path: str, inside: bool) -> list[tuple[str, bool]]:
    """Paths of the layers below a module, in order, each with whether it is a block."""
    out: list[tuple[str, bool]] = []
    children = [(f"{path}.{name}".lstrip("."), name, child) for name, child in module.named_children()]
    for listed, run in groupby(children, key=lambda child: isinstance(child[2], nn.ModuleList)):
        if not listed:
            for place, name, child in run:
                out += _layer(child, place, inside or name in _LISTS)
            continue
        # Lists beside each other (embeddings and stages) take turns.
        columns = [
            [(f"{place}.{number}", part, inside or name in _LISTS) for number, part in child.named_children()]
            for place, name, child in run
        ]
        for turn in zip_longest(*columns):
            for place, part, is_block in filter(None, turn):
                out += _layer(part, place, is_block)
    return out


def _layer(module: nn.Module, path: str, inside: bool) -> list[tuple[str, bool]]:
    if isinstance(module, nn.Sequential) and inside:
        return _layers(module, path, inside)
    if any(name.split(".")[-1] in _LISTS for name, _ in module.named_modules()):
        return _layers(module, path, False)
    return [(path, inside)]


def checkpoint_blocks(model: nn.Module) -> nn.Module:
    """Let every block of a model recompute its activations in the backward pass instead of keeping them.

    Outputs, gradients and running statistics stay what they were; memory of a training step falls to about that of one
    block, its time rises by about a third. Only in training mode with gradients, and not under an open carry scope.

    Args:
        model: changed in place; names of its tensors stay.

    Returns:
        The same model.

    Raises:
        ConfigError: the model has no blocks.
    """
    paths = blocks(model)
    if not paths:
        raise ConfigError(f"{type(model).__name__} has no blocks to recompute (no part called {', '.join(_LISTS)})")
    for path in paths:
        block = model.get_submodule(path)
        block.forward = _Recomputed(block)
    return model


class _Recomputed:
    """The forward of a block that is run again in the backward pass."""

    def __init__(self, block: nn.Module) -> None:
        self.block = block

    def __call__(self, x: Tensor) -> Tensor:
        block = self.block
        streaming = any(isinstance(part, Stateful) and part._carried is not None for part in block.modules())
        if streaming or not block.training or not torch.is_grad_enabled():
            return type(block).forward(block, x)
        return checkpoint(self.run, x, use_reentrant=False, context_fn=self.contexts)

    def run(self, x: Tensor) -> Tensor:
        return type(self.block).forward(self.block, x)

    def contexts(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """For the first run and for the second, which sees the buffers of the first and changes none."""
        before = buffers_of(self.block)
        return nullcontext(), with_buffers(self.block, before)


@contextmanager
def with_buffers(block: nn.Module, values: list[Tensor]) -> Iterator[None]:
    """A scope in which the buffers of a module have other values; afterwards they are what they were."""
    after = buffers_of(block)
    _put(block, values)
    try:
        yield
    finally:
        _put(block, after)


def buffers_of(block: nn.Module) -> list[Tensor]:
    """Copies of the buffers of a module."""
    return [buffer.detach().clone() for buffer in block.buffers()]


def _put(block: nn.Module, values: list[Tensor]) -> None:
    for buffer, value in zip(block.buffers(), values, strict=True):
        # Through .data: autograd may have saved running statistics, which it does not read in training mode.
        buffer.data.copy_(value)

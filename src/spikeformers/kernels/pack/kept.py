"""How much a forward pass keeps for backward."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from spikeformers.kernels.pack.scope import Keeper, restore, tensors_of


def kept_bytes(
    forward: Callable[[], Any], *, besides: Iterable[Tensor] = (), packed: bool = False, smallest: int = 4096
) -> int:
    """Bytes that autograd keeps for the backward pass of `forward()`; every piece of memory counts once.

    Args:
        forward: what is run, with gradients; its result is dropped.
        besides: tensors that are there anyway, such as parameters and the input.
        packed: whether to run inside `saved()`.
        smallest: as in `saved()`.
    """
    known = {tensor.untyped_storage()._cdata for tensor in besides}
    found: dict[int, Any] = {}
    keeper = Keeper(smallest)

    def keep(x: Tensor) -> Any:
        kept = keeper.keep(x) if packed else x
        for tensor in tensors_of(kept) if packed else [x]:
            storage = tensor.untyped_storage()
            if storage._cdata not in known:
                found[storage._cdata] = storage
        return kept

    with ExitStack() as stack:
        if packed:
            stack.enter_context(keeper)
        stack.enter_context(torch.autograd.graph.saved_tensors_hooks(keep, restore if packed else _same))
        forward()
    return sum(storage.nbytes() for storage in found.values())


def _same(x: Tensor) -> Tensor:
    return x

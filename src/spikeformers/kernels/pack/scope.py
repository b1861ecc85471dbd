"""The scope in which autograd keeps less."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from spikeformers.core.errors import BackendError
from spikeformers.kernels.pack.bits import Packed, pack, unpack
from spikeformers.kernels.pack.pool import max_pool2d
from spikeformers.kernels.transforms import transforming

Kept = Any
"""What stands for a tensor until backward asks for it: `Packed`, `Whole` or `View`."""


@dataclass(frozen=True, eq=False)
class Whole:
    """A tensor as it is, with the number of in-place changes that it had seen."""

    tensor: Tensor
    version: int

    @classmethod
    def of(cls, tensor: Tensor) -> "Whole":
        """Without its history, which would keep itself alive through the graph."""
        return cls(tensor.detach(), tensor._version)

    def get(self) -> Tensor:
        """The tensor.

        Raises:
            BackendError: it was changed in place since.
        """
        if self.tensor._version != self.version:
            raise BackendError(
                f"a tensor of shape {tuple(self.tensor.shape)} that backward needs was changed in place after the "
                "forward pass; call backward before the optimizer's step, and avoid in-place operations in between"
            )
        return self.tensor


@dataclass(frozen=True, eq=False)
class Normed:
    """The output of a batch norm, as what went into it.

    Attributes:
        inputs: input, running mean, running variance, weight, bias; no statistics where those of the batch are used.
        training: whether they are.
        eps: what is added to the variance.
    """

    inputs: tuple[Whole | None, ...]
    training: bool
    eps: float

    def get(self) -> Tensor:
        """Once more, by the same operator on the same values."""
        x, mean, variance, weight, bias = (None if part is None else part.get() for part in self.inputs)
        assert x is not None
        return functional.batch_norm(x, mean, variance, weight, bias, self.training, 0.0, self.eps)


@dataclass(frozen=True, eq=False)
class View:
    """A tensor that lies in the memory of a batch norm's output."""

    of: Normed
    layout: tuple[torch.Size, tuple[int, ...], int]

    def get(self) -> Tensor:
        """Its values."""
        return torch.as_strided(self.of.get(), *self.layout)


def tensors_of(kept: Kept) -> list[Tensor]:
    """Everything in memory that a kept tensor holds on to."""
    if isinstance(kept, Packed):
        return [kept.data]
    if isinstance(kept, View):
        return [part.tensor for part in kept.of.inputs if part is not None]
    assert isinstance(kept, Whole)
    return [kept.tensor]


def restore(kept: Kept) -> Tensor:
    """The tensor that was kept."""
    return unpack(kept) if isinstance(kept, Packed) else kept.get()


class Keeper(TorchFunctionMode):
    """Decides how each tensor is kept; while active, it sees batch norms and takes the place of max-pools.

    Storages are known by their address, which stays theirs as long as a weak reference to them is held.

    Args:
        smallest: tensors with fewer elements are not packed.
    """

    def __init__(self, smallest: int) -> None:
        super().__init__()
        self.smallest = smallest
        self.normed: dict[int, tuple[StorageWeakRef, int, Normed]] = {}
        self.packed: dict[Any, tuple[StorageWeakRef, Packed | None]] = {}

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in (functional.max_pool2d, torch.max_pool2d) and not kwargs.get("return_indices"):
            return max_pool2d(*args, **{name: value for name, value in kwargs.items() if name != "return_indices"})
        out = function(*args, **kwargs)
        if function is functional.batch_norm and out.requires_grad:
            self._remember(out, *args, **kwargs)
        return out

    def _remember(
        self,
        out: Tensor,
        x: Tensor,
        running_mean: Tensor | None,
        running_var: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        training: bool = False,
        momentum: float = 0.1,
        eps: float = 1e-5,
    ) -> None:
        statistics = (None, None) if training else (running_mean, running_var)
        inputs = tuple(None if part is None else Whole.of(part) for part in (x, *statistics, weight, bias))
        storage = StorageWeakRef(out.untyped_storage())
        self.normed[storage.cdata] = storage, out._version, Normed(inputs, training, eps)

    def keep(self, x: Tensor) -> Kept:
        """What to keep of a tensor."""
        storage = StorageWeakRef(x.untyped_storage())
        if storage.cdata in self.normed:
            _, version, normed = self.normed[storage.cdata]
            if version == x._version:
                return View(normed, (x.shape, x.stride(), x.storage_offset()))
        if isinstance(x if x._base is None else x._base, torch.nn.Parameter) or x.numel() < self.smallest:
            return Whole.of(x)
        key = storage.cdata, x.storage_offset(), x.shape, x.stride(), x._version, x.dtype
        if key not in self.packed:
            found = pack(x, self.smallest)
            self.packed[key] = storage, found if isinstance(found, Packed) else None
        return self.packed[key][1] or Whole.of(x)


@contextmanager
def saved(smallest: int = 4096) -> Iterator[None]:
    """A scope in which autograd keeps spikes as bits and what batch norms gave as what they got; see the package.

    Open it around the forward pass; backward may run outside of it. For eager models: a compiler decides itself what is
    kept, and what it saw of a model before does not hold inside the scope.

    Args:
        smallest: tensors with fewer elements are not packed.

    Raises:
        BackendError: it is opened inside a transform of `torch.func`.
    """
    if transforming():
        raise BackendError("torch.func keeps what backward needs itself; leave pack.saved() out of what it transforms")
    keeper = Keeper(smallest)
    with keeper, torch.autograd.graph.saved_tensors_hooks(keeper.keep, restore):
        yield

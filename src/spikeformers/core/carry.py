"""State between calls, only inside a scope that someone opened.

A `Stateful` module starts every call from its initial state. Inside `with carry(model) as state:` it starts where its
last call stopped, so a sequence can be fed in chunks. Leaving the scope forgets everything.
"""

from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from spikeformers.core.errors import ConfigError, ShapeError

State = dict[str, Tensor]
"""Named tensors, each shaped like one step of the input (or as the module documents)."""


class CarriedState(MutableMapping[str, State]):
    """State of all `Stateful` modules under an open scope, by module path."""

    def __init__(self) -> None:
        self._states: dict[str, State] = {}

    def __getitem__(self, path: str) -> State:
        return self._states[path]

    def __setitem__(self, path: str, state: State) -> None:
        self._states[path] = state

    def __delitem__(self, path: str) -> None:
        del self._states[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    def _map(self, function: Any) -> None:
        for path, state in self._states.items():
            self._states[path] = {name: function(value) for name, value in state.items()}

    def detach(self) -> None:
        """Cut the gradient between what ran so far and what comes next (truncated back-propagation through time)."""
        self._map(lambda value: value.detach())

    def to(self, *args: Any) -> None:
        """Move or cast every tensor, with the arguments of `torch.Tensor.to`."""
        self._map(lambda value: value.to(*args))

    def copy(self) -> dict[str, State]:
        """A detached copy, to save or to restore later with `update`."""
        return {p: {n: v.detach().clone() for n, v in s.items()} for p, s in self._states.items()}


class Stateful(nn.Module):
    """A module with a recurrence over the leading axis T.

    Final subclasses provide `initial` and `scan`; `forward` is written once, here.
    """

    _carried: CarriedState | None = None
    _carry_path: str = ""

    def initial(self, x0: Tensor) -> State:
        """State before the first step, for steps shaped like `x0` (no T axis)."""
        raise NotImplementedError

    def scan(self, x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
        """Pure function: inputs [T, ...] and a state to outputs [T, ...] and the state after the last step.

        Args:
            x: inputs [T, ...].
            state: where to start; None is the initial state.
            keep: whether the caller wants the last state; if not, what is returned for it may be empty.
        """
        raise NotImplementedError

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[0] == 0:
            raise ShapeError(
                f"{type(self).__name__} got T=0 steps (input {tuple(x.shape)}); the first axis is T, at least 1"
            )
        carried = self._carried
        if carried is None:
            return self.scan(x, None, keep=False)[0]
        y, carried[self._carry_path] = self.scan(x, carried.get(self._carry_path))
        return y


@contextmanager
def carry(model: nn.Module, state: dict[str, State] | None = None) -> Iterator[CarriedState]:
    """Let every `Stateful` module inside `model` start each call where its last one stopped.

    Args:
        model: any module; scopes of different models do not see each other.
        state: what an earlier scope's `copy()` returned, to go on from there.

    Yields:
        The carried state, by module path: save it, restore it, detach it, move it.

    Raises:
        ConfigError: a scope on this model, or on a part of it, is already open.

    Example:
        >>> import torch
        >>> from spikeformers.neurons import LIF
        >>> neuron, x = LIF(), torch.rand(8, 3)
        >>> with carry(neuron):
        ...     chunks = torch.cat([neuron(x[:5]), neuron(x[5:])])
        >>> torch.equal(chunks, neuron(x))
        True
    """
    modules = [(path, m) for path, m in model.named_modules() if isinstance(m, Stateful)]
    for path, module in modules:
        if module._carried is not None:
            raise ConfigError(f"a carry scope is already open on {path or type(model).__name__!r}; close it first")
    carried = CarriedState()
    carried.update(state or {})
    for path, module in modules:
        module._carried, module._carry_path = carried, path
    try:
        yield carried
    finally:
        for _, module in modules:
            del module._carried, module._carry_path


def check_state(name: str, state: State, like: Tensor) -> None:
    """Refuse a carried state that does not fit the next chunk (a changed batch size, usually).

    Raises:
        ShapeError: a tensor of `state` is not shaped like one step of the input.
    """
    for key, value in state.items():
        if value.shape != like.shape:
            raise ShapeError(
                f"carried state {name}.{key} has shape {tuple(value.shape)} but one step of this input has "
                f"{tuple(like.shape)}; batch and feature sizes may not change inside a carry scope"
            )


__all__ = ["CarriedState", "State", "Stateful", "carry", "check_state"]

"""The graph of layers that a model is, found by running it once.

Layers are the modules of torch without parts, neurons, and everything with a state over T. Between them a model may fold T into the
batch and back, flatten, and add; whatever else it computes there is noted as a fault.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from spikeformers.core.carry import Stateful
from spikeformers.core.errors import ShapeError
from spikeformers.neurons import NeuronConfig

INPUT = "input"
_STEPS, _BATCH = 2, 3
_VIEWS = {"flatten", "unflatten", "view", "reshape", "view_as", "squeeze", "unsqueeze", "contiguous", "clone", "detach"}
_SUMS = {"add", "add_", "__add__", "__radd__", "__iadd__"}


@dataclass(frozen=True)
class Call:
    """One layer that ran.

    Attributes:
        name: unique, from the path of the module.
        path: the module's path in the model.
        module: the layer; None where the values of a sample were flattened.
        sources: the calls, or `INPUT`, whose sum came in.
        taken, given: shape of one sample at one step, before and after.
    """

    name: str
    path: str
    module: nn.Module | None
    sources: tuple[str, ...]
    taken: tuple[int, ...]
    given: tuple[int, ...]


@dataclass
class Trace:
    """What one run showed: calls in order, the sum that came out, its shape, and what has no place in a graph of layers."""

    calls: list[Call] = field(default_factory=list)
    output: tuple[str, ...] = ()
    shape: tuple[int, ...] = ()
    faults: list[str] = field(default_factory=list)


def trace(model: nn.Module, input_shape: tuple[int, ...]) -> Trace:
    """Run a model in eval mode on [2, 3, *input_shape] and note its layers.

    Raises:
        ShapeError: the model does not give one tensor [T, B, ...].
    """
    example = next(iter(model.parameters()), torch.zeros(()))
    x = torch.rand(_STEPS, _BATCH, *input_shape, dtype=example.dtype, device=example.device)
    recorder = _Recorder(x)
    with _eval(model), _hooks(model, recorder), torch.no_grad(), recorder:
        y = model(x)
    if not isinstance(y, Tensor) or _sample(y) is None:
        raise ShapeError(f"the model must give one tensor [T, B, ...] for [T, B, *{input_shape}]; it gave {_said(y)}")
    recorder.trace.output, recorder.trace.shape = recorder.sources(y), _sample(y) or ()
    _drop_unused(recorder.trace)
    return recorder.trace


def _drop_unused(found: Trace) -> None:
    """Leave only calls that the output depends on."""
    used = set(found.output)
    for call in reversed(found.calls):
        if call.name in used:
            used.update(call.sources)
    found.calls = [call for call in found.calls if call.name in used]


def is_layer(module: nn.Module) -> bool:
    """Whether a module is one node and not looked into."""
    plain = type(module).__module__.startswith("torch.nn.modules") and not isinstance(module, nn.Sequential)
    neuron = isinstance(module, Stateful) or isinstance(getattr(module, "config", None), NeuronConfig)
    return neuron or (plain and next(module.children(), None) is None)


class _Recorder(TorchFunctionMode):
    """Follows the tensors that come from the input."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.trace = Trace()
        self.stack: list[str] = []
        self.inside = 0
        self._alive = [x]
        self._known: dict[int, tuple[str, ...]] = {id(x): (INPUT,)}
        self._names: set[str] = {INPUT, "output"}

    def sources(self, x: Tensor) -> tuple[str, ...]:
        return self._known.get(id(x), ())

    def note(self, y: Tensor, sources: tuple[str, ...]) -> None:
        self._alive.append(y)
        self._known[id(y)] = sources

    def fault(self, what: str) -> None:
        place = self.stack[-1] if self.stack and self.stack[-1] else "the model itself"
        if (said := f"{place}: {what}") not in self.trace.faults:
            self.trace.faults.append(said)

    def call(self, module: nn.Module | None, x: Tensor, y: Tensor) -> None:
        """Note a layer, or, without one, a flattening."""
        taken, given = _sample(x), _sample(y)
        if taken is None or given is None:
            self.fault(f"a layer between {tuple(x.shape)} and {tuple(y.shape)}, which are not [T, B, ...]")
            return self.note(y, self.sources(x))
        name = self._append("flatten" if module is None else "", module, self.sources(x), taken, given)
        return self.note(y, (name,))

    def _append(
        self,
        title: str,
        module: nn.Module | None,
        sources: tuple[str, ...],
        taken: tuple[int, ...],
        given: tuple[int, ...],
    ) -> str:
        """Add a call under a name of its own: that of the module's path, or for what is no module a title behind it."""
        path = self.stack[-1] if self.stack else ""
        base = "_".join(part for part in (*path.split("."), title) if part) or "layer"
        name = base
        for number in range(1, len(self._names) + 1):
            if name not in self._names:
                break
            name = f"{base}_{number}"
        self._names.add(name)
        self.trace.calls.append(Call(name, path, module, sources, taken, given))
        return name

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        y = func(*args, **(kwargs or {}))
        if self.inside:
            return y
        given = [a for a in _flat((args, kwargs or {})) if isinstance(a, Tensor)]
        known = [a for a in given if self.sources(a)]
        if known and isinstance(y, Tensor):
            self._function(getattr(func, "__name__", str(func)), given, known, y)
        elif known and any(isinstance(part, Tensor) for part in _flat(y)):
            self.fault(f"the function {getattr(func, '__name__', func)!r}")
            for part in _flat(y):
                if isinstance(part, Tensor):
                    self.note(part, self.sources(known[0]))
        return y

    def _function(self, name: str, given: list[Tensor], known: list[Tensor], y: Tensor) -> None:
        first = known[0]
        if name in _SUMS and len(known) == 2 and known[0].shape == known[1].shape:
            together = self.sources(known[0]) + self.sources(known[1])
            if len(set(together)) < len(together):
                self.fault("a value is added to itself")
            return self.note(y, together)
        if name in _VIEWS and len(given) == 1:
            before, after = _sample(first), _sample(y)
            if before is None or after is None or before == after:
                return self.note(y, self.sources(first))
            return self.call(None, first, y)
        if name == "mean" and self._mean_over_pixels(first, y):
            return None
        self.fault(f"the function {name!r}")
        return self.note(y, self.sources(first))

    def _mean_over_pixels(self, x: Tensor, y: Tensor) -> bool:
        """Note a mean of maps [C, H, W], or of their pixels in a row, as a pool and a flattening."""
        sources, taken, given = self.sources(x), _sample(x), _sample(y)
        row = self.trace.calls[-1] if self.trace.calls else None
        if row is not None and sources == (row.name,) and row.module is None and taken == row.given:
            sources, taken = row.sources, row.taken
        if taken is None or given != taken[:1] or len(taken) != 3:
            return False
        if not torch.allclose(y.reshape(-1, *given), x.reshape(_STEPS * _BATCH, given[0], -1).mean(2)):
            return False
        pool = self._append("pool", nn.AdaptiveAvgPool2d(1), sources, taken, (*given, 1, 1))
        self.note(y, (self._append("flatten", None, (pool,), (*given, 1, 1), given),))
        return True


@contextmanager
def _hooks(model: nn.Module, recorder: _Recorder) -> Iterator[None]:
    handles = []
    for path, module in model.named_modules():
        enter, leave = _hook(path, is_layer(module), recorder)
        handles += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _hook(path: str, layer: bool, recorder: _Recorder) -> tuple[Callable[..., None], Callable[..., None]]:
    def enter(module: nn.Module, inputs: Any) -> None:
        recorder.stack.append(path)
        recorder.inside += layer

    def leave(module: nn.Module, inputs: Any, y: Any) -> None:
        recorder.inside -= layer
        if layer and not recorder.inside:
            known = [x for x in _flat(inputs) if isinstance(x, Tensor) and recorder.sources(x)]
            if len(known) == 1 and isinstance(y, Tensor):
                recorder.call(module, known[0], y)
            elif known:
                recorder.fault(f"{type(module).__name__} takes {len(known)} inputs")
                for part in _flat(y):
                    if isinstance(part, Tensor):
                        recorder.note(part, recorder.sources(known[0]))
        recorder.stack.pop()

    return enter, leave


@contextmanager
def _eval(model: nn.Module) -> Iterator[None]:
    training = [m for m in model.modules() if m.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _sample(x: Tensor) -> tuple[int, ...] | None:
    """Shape of one sample at one step, from [T, B, ...] or [T · B, ...]."""
    shape = tuple(x.shape)
    if shape[:2] == (_STEPS, _BATCH):
        return shape[2:]
    return shape[1:] if shape[:1] == (_STEPS * _BATCH,) else None


def _flat(values: Any) -> Iterator[Any]:
    if isinstance(values, (list, tuple)):
        for value in values:
            yield from _flat(value)
    elif isinstance(values, dict):
        yield from _flat(list(values.values()))
    else:
        yield values


def _said(y: Any) -> str:
    return f"shape {tuple(y.shape)}" if isinstance(y, Tensor) else type(y).__name__

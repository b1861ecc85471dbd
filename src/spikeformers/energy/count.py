"""Counting at the dispatcher: what a model really computes, judged from the tensors that meet in each operator.

Nothing is declared by the model. Module paths come from hooks that exist only inside the context.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes

from spikeformers.core.carry import State
from spikeformers.core.errors import ConfigError, ShapeError
from spikeformers.energy.firing import NeuronWatch, is_spiking
from spikeformers.energy.meter import Meter
from spikeformers.energy.operators import record
from spikeformers.energy.recorder import Recorder
from spikeformers.energy.rows import Pass
from spikeformers.neurons.base import Neuron


@contextmanager
def count(
    model: nn.Module, *, steps: int | None = None, samples: int | None = None, bits: int | None = None
) -> Iterator[Meter]:
    """Count the operations of every call of `model` inside the block.

    Works in training and evaluation, under `no_grad`, `inference_mode` and autocast. A compiled model runs its
    original code while it is counted. Call the model on several real batches; the meter averages and keeps the spread.

    Args:
        model: any module; its spiking neurons are those built from a `NeuronConfig`.
        steps: T, if no spiking neuron can tell it.
        samples: B, if no spiking neuron can tell it (it sees [T, B, ...]); otherwise the first axis of a static
            input, the second of [T, B, C, H, W].
        bits: measure the share of one-bits of analog inputs quantized to this width (`Row.bit_share`).

    Yields:
        The meter, filled as the model runs.

    Raises:
        ConfigError: a counter is already open on this model.
        ShapeError: the model is called with T=0.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from spikeformers.neurons import IF
        >>> model = nn.Sequential(nn.Linear(3, 2), IF(), nn.Linear(2, 1))
        >>> with count(model) as meter:
        ...     _ = model(torch.ones(4, 1, 3))
        >>> meter.rows()[0].path, meter.rows()[0].dense_macs
        ('0', 24)
    """
    meter = Meter(type(model).__name__)
    counter = _Counter(model, meter, steps, samples, Recorder(bits))
    counter.attach()
    try:
        with torch.compiler.set_stance("force_eager"), counter:
            yield meter
    finally:
        counter.detach()


class _Counter(TorchDispatchMode):
    """The dispatch mode: scopes on one side, operators on the other."""

    def __init__(
        self, model: nn.Module, meter: Meter, steps: int | None, samples: int | None, recorder: Recorder
    ) -> None:
        super().__init__()
        self.model = model
        self.meter = meter
        self.given = (steps, samples)
        self.recorder = recorder
        self.neurons = NeuronWatch(recorder, steps, samples)
        self.scopes: list[str] = []
        self.scanned: list[Neuron] = []
        self.handles: list[torch.utils.hooks.RemovableHandle] = []
        self.spiking = False

    def attach(self) -> None:
        """Put the hooks on; note which storages are weights."""
        if getattr(self.model, "_energy_counter", None) is not None:
            raise ConfigError(f"the operations of this {type(self.model).__name__} are already being counted")
        object.__setattr__(self.model, "_energy_counter", self)
        for path, module in self.model.named_modules():
            name = path.replace("_orig_mod.", "").removeprefix("_orig_mod")
            neuron = is_spiking(module)
            self.spiking = self.spiking or neuron
            enter, leave = self._enter(name, neuron), self._leave(name, neuron)
            self.handles.append(module.register_forward_pre_hook(enter, with_kwargs=True))
            self.handles.append(module.register_forward_hook(leave, always_call=True))
            if isinstance(module, Neuron):
                self.scanned.append(module)
                module.__dict__["scan"] = self._scan(name, module)
        self.meter.spiking = self.spiking
        self.recorder.weights.pin(self.model)

    def detach(self) -> None:
        """Take the hooks off."""
        for handle in self.handles:
            handle.remove()
        for module in self.scanned:
            del module.__dict__["scan"]
        object.__delattr__(self.model, "_energy_counter")

    def _enter(self, path: str, neuron: bool) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            x = next((a for a in (*args, *kwargs.values()) if isinstance(a, Tensor)), None)
            self.scopes.append(path)
            self.recorder.path = path
            if len(self.scopes) == 1:
                self._begin(x)
            if neuron:
                with _unseen():
                    self.neurons.enter(path, x)

        return hook

    def _leave(self, path: str, neuron: bool) -> Callable[..., None]:
        def hook(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
            if neuron and path in self.neurons.open:
                with _unseen():
                    self.neurons.leave(path, module, output if isinstance(output, Tensor) else None)
            self.scopes.pop()
            self.recorder.path = self.scopes[-1] if self.scopes else ""
            if not self.scopes:
                with _unseen():
                    self._end(finished=output is not None)

        return hook

    def _scan(self, path: str, module: Neuron) -> Callable[..., tuple[Tensor, State]]:
        plain = module.scan

        def scan(x: Tensor, state: State | None, keep: bool = True) -> tuple[Tensor, State]:
            if not self.scopes:
                return plain(x, state, keep)
            with _unseen():
                self.neurons.meet(x)
            self.neurons.scanning += 1
            try:
                y, after = plain(x, state, keep)
            finally:
                self.neurons.scanning -= 1
            with _unseen():
                self.neurons.scanned(path, module, y)
            return y, after

        return scan

    def _begin(self, x: Tensor | None) -> None:
        steps, samples = self.given
        if x is not None and x.dim() and x.shape[0] == 0:
            raise ShapeError(
                f"the model was called with an empty input of shape {tuple(x.shape)}: T and B must be at least 1"
            )
        if steps is None and not self.spiking:
            steps = 1
        self.recorder.begin(Pass(samples=samples or _samples(x)), steps)

    def _end(self, finished: bool) -> None:
        if self.recorder.finish() and finished:
            self.meter.passes.append(self.recorder.now)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if not self.scopes:
            return func(*args, **kwargs)
        if _composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        record(self.recorder, func, args, kwargs, out, inside_neuron=self.neurons.scanning > 0)
        return out


@contextmanager
def _unseen() -> Iterator[None]:
    """Keep the counter's own arithmetic out of the counts and of the graph."""
    with _disable_current_modes(), torch.no_grad():
        yield


@cache
def _composite(func: Any) -> bool:
    return torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), torch._C.DispatchKey.CompositeImplicitAutograd)


def _samples(x: Tensor | None) -> int:
    if x is None or x.dim() == 0:
        return 1
    return x.shape[1] if x.dim() == 5 else x.shape[0]

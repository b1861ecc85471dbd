"""Any model trained a few steps at a time, so that its activations do not add up over T.

Steps run in chunks under a carry scope. Batch norms see one chunk at a time, so their statistics are those of its steps.
"""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.checkpoint import checkpoint

from spikeformers.core.carry import State, Stateful, carry
from spikeformers.core.errors import BackendError, ConfigError
from spikeformers.kernels.transforms import forward_mode, transforming
from spikeformers.models.adapt import buffers_of, with_buffers
from spikeformers.models.base import SpikingModel


def chunk_time(model: nn.Module, steps: int, *, cut: bool = False) -> nn.Module:
    """Let a model run `steps` steps at a time in training and run them once more in the backward pass.

    What is kept is the neurons' states between chunks and the activations of one chunk. With `cut`, no gradient flows
    from one chunk to the one before: the backward pass then goes forward in time, keeps no states, and needs the memory
    of one chunk, whatever T. With single steps that is SLTT (arXiv:2302.14311), with longer ones truncated
    back-propagation through time.

    Args:
        model: changed in place; names of its tensors stay. In eval mode, without gradients and under an open carry scope
            it runs as before.
        steps: of one chunk.
        cut: whether gradients end at the start of a chunk.

    Returns:
        The same model.

    Raises:
        ConfigError: `steps` is not positive, the model's output has no steps, or a step of it sees later ones.
    """
    if not isinstance(model, SpikingModel):
        raise ConfigError(f"{type(model).__name__} has one output for all steps, so it cannot run in chunks of steps")
    if steps < 1:
        raise ConfigError(f"steps={steps} must be at least 1")
    if not model.config.causal:
        raise ConfigError(f"a step of {model.config.family} sees later steps, so it cannot run in chunks of steps")
    model.forward = _InChunks(model, steps, cut)  # type: ignore[method-assign]
    return model


class _InChunks:
    """The forward of a model that runs in chunks."""

    def __init__(self, model: SpikingModel, steps: int, cut: bool) -> None:
        self.model = model
        self.steps = steps
        self.cut = cut

    def __call__(self, x: Tensor) -> Tensor:
        model = self.model
        streaming = any(isinstance(part, Stateful) and part._carried is not None for part in model.modules())
        if streaming or not model.training or not torch.is_grad_enabled():
            return type(model).forward(model, x)
        if transforming() or (self.cut and forward_mode()):
            raise BackendError(
                f"{type(model).__name__} trains in chunks of steps (chunk_time), which torch.func and forward mode cannot "
                "differentiate; put it in eval mode, or transform a model that chunk_time was not called on"
            )
        x = model.with_time(x)
        if self.cut:
            parameters = [p for p in model.parameters() if p.requires_grad]
            return _Onward.apply(self, x, *parameters)  # type: ignore[no-any-return,no-untyped-call]
        outputs, state = [], {}
        for chunk in x.split(self.steps):
            y, state = checkpoint(self.run, chunk, state, use_reentrant=False, context_fn=self.contexts)
            outputs.append(y)
        return torch.cat(outputs)

    def run(self, chunk: Tensor, state: dict[str, State]) -> tuple[Tensor, dict[str, State]]:
        """Outputs of one chunk and the states after it."""
        with carry(self.model, state) as carried:
            return type(self.model).forward(self.model, chunk), dict(carried)

    def contexts(self) -> tuple[AbstractContextManager[Any], AbstractContextManager[Any]]:
        """For the first run of a chunk and for the second, which sees the buffers of the first and changes none."""
        return nullcontext(), with_buffers(self.model, buffers_of(self.model))


class _Onward(torch.autograd.Function):
    """All chunks in order, twice: without gradients, then, for backward, each with the gradients of its own steps."""

    @staticmethod
    def forward(ctx: Any, chunks: _InChunks, x: Tensor, *parameters: nn.Parameter) -> Tensor:
        ctx.chunks, ctx.buffers, ctx.parameters = chunks, buffers_of(chunks.model), parameters
        ctx.save_for_backward(x)
        ctx.random = _random(x.device)
        ctx.autocast = torch.is_autocast_enabled(x.device.type), torch.get_autocast_dtype(x.device.type)
        outputs, state = [], {}
        for chunk in x.split(chunks.steps):
            y, state = chunks.run(chunk, state)
            outputs.append(y)
        return torch.cat(outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gy: Tensor) -> tuple[Any, ...]:
        (x,) = ctx.saved_tensors
        enabled, dtype = ctx.autocast
        sources = [x.device] if x.is_cuda else []
        with (
            torch.random.fork_rng(sources),
            torch.autocast(x.device.type, dtype, enabled),
            with_buffers(ctx.chunks.model, ctx.buffers),
        ):
            _set_random(x.device, ctx.random)
            return None, *_gradients(ctx.chunks, x, gy, ctx.parameters, ctx.needs_input_grad[1])


def _gradients(
    chunks: _InChunks, x: Tensor, gy: Tensor, parameters: tuple[nn.Parameter, ...], wanted: bool
) -> list[Tensor | None]:
    """[gradient of x if it is wanted, *of the parameters], chunk by chunk."""
    inputs: list[Tensor] = []
    sums: list[Tensor | None] = [None] * len(parameters)
    state: dict[str, State] = {}
    for chunk, g in zip(x.split(chunks.steps), gy.split(chunks.steps), strict=True):
        with torch.enable_grad():
            leaf = chunk.detach().requires_grad_(wanted)
            y, state = chunks.run(leaf, state)
        found = torch.autograd.grad(y, [*([leaf] if wanted else []), *parameters], g, allow_unused=True)
        if wanted:
            inputs.append(torch.zeros_like(leaf) if found[0] is None else found[0])
        sums = [b if a is None else a if b is None else a + b for a, b in zip(sums, found[wanted:], strict=True)]
        state = {path: {name: value.detach() for name, value in part.items()} for path, part in state.items()}
    return [torch.cat(inputs) if wanted else None, *sums]


def _random(device: torch.device) -> tuple[Tensor, Tensor | None]:
    return torch.get_rng_state(), torch.cuda.get_rng_state(device) if device.type == "cuda" else None


def _set_random(device: torch.device, states: tuple[Tensor, Tensor | None]) -> None:
    torch.set_rng_state(states[0])
    if states[1] is not None:
        torch.cuda.set_rng_state(states[1], device)

"""The scan as it is defined: a plain loop over T on tensors, differentiable by autograd."""

import torch
from torch import Tensor

from spikeformers.kernels.scan.definition import Definition
from spikeformers.kernels.scan.ops import TorchOps


def scan_reference(
    definition: Definition, x: Tensor, states: dict[str, Tensor], params: dict[str, Tensor]
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a neuron over T.

    Args:
        definition: the neuron's equations.
        x: input [T, ...]; half precisions compute in float32 and the output is cast back.
        states: one tensor like x[0] for each state.
        params: tensors broadcastable to x[0].

    Returns:
        Outputs [T, ...] and the states after the last step (float32 where x is of half precision).
    """
    ops = TorchOps(definition.surrogate)
    wide = torch.float32 if x.dtype in (torch.float16, torch.bfloat16) else x.dtype
    params = {name: value.to(wide) for name, value in params.items()}
    states = {name: value.to(wide) for name, value in states.items()}
    outputs = []
    for xt in x.to(wide).unbind(0):
        if definition.detach_state:
            states = {name: value.detach() for name, value in states.items()}
        y, states = definition.step(ops, xt, **states, **params)
        outputs.append(y)
    return torch.stack(outputs).to(x.dtype), states

"""Every neuron given by equations, on the fused CPU kernel and on the reference.

Compiling some thirty kernels takes minutes the first time; afterwards they come from the cache on disk.
"""

import pytest
import torch
from torch import Tensor

from spikeformers.kernels.dispatch import watch
from spikeformers.neurons import NEURONS, Neuron, ScanConfig

pytestmark = pytest.mark.slow
FAMILIES = [name for name in NEURONS.families() if isinstance(NEURONS.config(name), ScanConfig)]


def result(name: str, backend: str) -> list[Tensor]:
    """Output, and gradients of the input and of the parameters."""
    module = NEURONS.config(name).build(channels=3)
    assert isinstance(module, Neuron)
    module.backend = backend
    torch.manual_seed(0)
    x = (2.0 * torch.randn(6, 2, 3, 5)).requires_grad_()
    with watch() as seen:
        y = module(x)
        y.backward(torch.randn(y.shape))
    assert f"scan:{backend}" in seen
    assert x.grad is not None
    return [y.detach(), x.grad, *(p.grad for p in module.parameters() if p.grad is not None)]


@pytest.mark.parametrize("name", FAMILIES)
def test_fused_equals_reference(name: str) -> None:
    (y, *grads), (expected, *wanted) = result(name, "cpu"), result(name, "reference")
    assert torch.equal(y, expected)
    torch.testing.assert_close(grads, wanted, rtol=1e-4, atol=1e-5)

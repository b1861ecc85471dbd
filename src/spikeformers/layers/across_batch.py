"""A defect of some official code, to reproduce its numbers."""

from torch import Tensor, nn


class AcrossBatch(nn.Module):
    """Runs a neuron over T·B as if the samples of a batch were further steps, [T, B, ...] → [T, B, ...].

    Its state leaks from sample to sample, so outputs depend on the rest of the batch; a batch of one is unaffected.
    Published accuracies of QKFormer and of SGLFormer on ImageNet were obtained with it.
    """

    def __init__(self, neuron: nn.Module) -> None:
        super().__init__()
        self.neuron = neuron

    def forward(self, x: Tensor) -> Tensor:
        return self.neuron(x.flatten(0, 1)).unflatten(0, x.shape[:2])

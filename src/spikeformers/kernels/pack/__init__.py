"""Keeping less for backward, with equal gradients.

A convolution or linear layer keeps its input for the gradient of its weights. Where that input is spikes it holds 32
times what it says. A max-pool keeps eight bytes for each place that it took, a neuron the output of a batch norm that
still holds its own input. Inside `saved()`

- tensors of spikes are kept as bits, tensors of their sums and averages (residuals, pools, attention) as bytes;
- a max-pool keeps the place in its window, one byte, and not its input;
- what a batch norm gave is computed once more from what went into it, elementwise and by the same operator;
- everything else is kept as it is.

No matrix product or convolution runs twice, and what comes back equals what was given, bit by bit.

    with pack.saved():
        loss = task(model(x))
    loss.backward()
"""

from spikeformers.kernels.pack.bits import Packed, pack, unpack
from spikeformers.kernels.pack.kept import kept_bytes
from spikeformers.kernels.pack.scope import saved

__all__ = ["Packed", "kept_bytes", "pack", "saved", "unpack"]

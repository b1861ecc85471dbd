"""Spikformer V2's convolution stem."""

from torch import Tensor, nn

from spikeformers.layers.conv import ConvNorm
from spikeformers.layers.conv_mlp import ConvMLP
from spikeformers.neurons import NeuronConfig


class ConvStemStage(nn.Module):
    r"""One stage of the SCS, maps [T, B, C, H, W] → spikes and their sums [T, B, out_channels, H/2, W/2].

    $$x\leftarrow S(\mathrm{BN}(\mathrm{Conv}_{2\times2,\downarrow2}(x))),\qquad
      y=x+S(\mathrm{BN}(\mathrm{Conv}_{3\times3}^{4c\to c}(S(\mathrm{BN}(\mathrm{Conv}_{3\times3}^{c\to4c}(x))))))$$

    Reconstruction: no official code exists; kernel sizes and the lack of biases are fitted to the published parameter
    counts, the places of residual, norm and neuron are inferred from the paper.

    Args:
        in_channels, out_channels: channels in and out.
        ratio: hidden width of the residual branch over `out_channels`.
        neuron: what fires.

    Source: Zhou et al., "Spikformer V2", arXiv:2401.02020.
    """

    def __init__(self, in_channels: int, out_channels: int, *, ratio: float, neuron: NeuronConfig) -> None:
        super().__init__()
        self.down = ConvNorm(in_channels, out_channels, 2, stride=2, padding=0)
        self.neuron = neuron.build(channels=out_channels)
        hidden = round(out_channels * ratio)
        self.expand = ConvMLP(out_channels, hidden, kernel_size=3, bias=False, residual="sew", neuron=neuron)

    def forward(self, x: Tensor) -> Tensor:
        x = self.neuron(self.down(x))
        return x + self.expand(x)

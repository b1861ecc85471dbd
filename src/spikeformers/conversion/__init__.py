"""A trained network in another form: weights and activations in few bits, or integer spikes as binary ones."""

from spikeformers.conversion.quantize import QuantizeConfig, quantize
from spikeformers.conversion.quantizer import Quantizer
from spikeformers.conversion.unroll import unroll_model

__all__ = ["QuantizeConfig", "Quantizer", "quantize", "unroll_model"]

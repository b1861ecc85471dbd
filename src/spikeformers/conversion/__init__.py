"""A trained network in another form: weights and activations in few bits."""

from spikeformers.conversion.quantize import QuantizeConfig, quantize
from spikeformers.conversion.quantizer import Quantizer

__all__ = ["QuantizeConfig", "Quantizer", "quantize"]

"""spikeformers: spiking transformers and the systems around them, by name."""
__version__ = "0.1.0"

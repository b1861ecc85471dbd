"""Datasets, their readers, and loaders that feed them to the engine."""

from spikeformers.data.base import DATASETS, DataConfig, DatasetInfo
from spikeformers.data.loader import Loader
from spikeformers.data.samples import Samples, Splits

__all__ = ["DATASETS", "DataConfig", "DatasetInfo", "Loader", "Samples", "Splits"]

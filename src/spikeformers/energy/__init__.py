"""Operations and energy of any model, measured from outside."""

from spikeformers.energy.count import count
from spikeformers.energy.hardware import PriceTable
from spikeformers.energy.meter import Meter
from spikeformers.energy.report import Assessment, assess
from spikeformers.energy.rows import Row

__all__ = ["Assessment", "Meter", "PriceTable", "Row", "assess", "count"]

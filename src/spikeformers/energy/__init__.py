"""Operations and energy of any model, measured from outside.

`count` counts, `assess` puts a spiking model beside its ANN twin, `simulate` runs a small model spike by spike to check
both, `measure` reads what this machine really takes.
"""

from spikeformers.energy.count import count
from spikeformers.energy.hardware import TABLES, PriceTable, prices
from spikeformers.energy.measured import measure
from spikeformers.energy.memory import TrafficConfig
from spikeformers.energy.meter import Meter
from spikeformers.energy.report import Assessment, assess
from spikeformers.energy.rows import Row
from spikeformers.energy.simulate import simulate

__all__ = [
    "TABLES",
    "Assessment",
    "Meter",
    "PriceTable",
    "Row",
    "TrafficConfig",
    "assess",
    "count",
    "measure",
    "prices",
    "simulate",
]

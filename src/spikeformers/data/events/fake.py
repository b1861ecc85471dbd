"""Made-up events for made-up recordings."""

import numpy as np

from spikeformers.data.events.array import make_events


def fake_events(seed: int, height: int, width: int, count: int = 40, duration_us: int = 300_000) -> np.ndarray:
    """Events at random places and times of a sensor, the same for the same seed."""
    rng = np.random.default_rng(seed)
    x, y, p = (rng.integers(0, high, count) for high in (width, height, 2))
    return make_events(x, y, np.sort(rng.integers(0, duration_us, count)), p)

"""Seeding, and a snapshot of every generator a run draws from."""

import random
from typing import Any

import numpy as np
import torch


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and torch (CPU and every GPU)."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def generator(*seeds: int) -> torch.Generator:
    """A torch generator that is a pure function of `seeds` (seed, epoch, rank, …), well mixed."""
    mixed = np.random.SeedSequence(seeds).generate_state(2, np.uint32)
    return torch.Generator().manual_seed(int(mixed[0]) << 31 | int(mixed[1]) >> 1)


def rng_state() -> dict[str, Any]:
    """State of every global generator, in types that `torch.load(weights_only=True)` accepts."""
    version, keys, gauss = random.getstate()
    name, array, pos, has_gauss, cached = np.random.get_state()
    return {
        "python": [version, list(keys), gauss],
        "numpy": [
            str(name),
            torch.from_numpy(np.asarray(array).astype(np.int64)),
            int(pos),
            int(has_gauss),
            float(cached),
        ],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def set_rng_state(state: dict[str, Any]) -> None:
    """Restore what `rng_state` returned."""
    version, keys, gauss = state["python"]
    random.setstate((version, tuple(keys), gauss))
    name, array, pos, has_gauss, cached = state["numpy"]
    np.random.set_state((name, array.numpy().astype(np.uint32), pos, has_gauss, cached))
    torch.set_rng_state(state["torch"])
    if state["cuda"] and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])

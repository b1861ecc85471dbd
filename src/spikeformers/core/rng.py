"""Seeding, and generators that are pure functions of their seeds."""

import random

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

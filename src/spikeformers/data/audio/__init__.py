"""Sound: files to samples, samples to steps [T, D] of a network's time."""

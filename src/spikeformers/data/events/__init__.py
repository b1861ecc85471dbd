"""Event camera data: arrays, readers of recordings, representations as tensors, simulation from images."""

"""The fused scan on processors: Numba source emitted from a `Program`, compiled once and kept on disk."""

"""Sums over batches, and what follows from them."""

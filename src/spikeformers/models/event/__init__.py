"""Models for event cameras, one family per file."""

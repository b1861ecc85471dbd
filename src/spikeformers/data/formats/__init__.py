"""Readers of file formats, each strict: what is damaged is refused with its file, offset and reason."""

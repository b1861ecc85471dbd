"""The command `spikeformers`: one file per verb; each parses, calls one library function, and prints."""

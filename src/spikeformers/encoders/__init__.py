"""From values in [0, 1] to spikes or currents over T steps."""

"""The metrics as a library: `metrics.open`."""

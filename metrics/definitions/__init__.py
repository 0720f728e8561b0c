"""The metrics, one module each: what its row is, how it is shown, compared and judged."""

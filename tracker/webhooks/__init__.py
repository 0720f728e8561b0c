"""Events going out to subscribers."""

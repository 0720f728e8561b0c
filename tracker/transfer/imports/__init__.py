"""History out of other systems: what an import finds, what of it is recorded, and how it is undone."""

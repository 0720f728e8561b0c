"""Other systems' interfaces: each translates a foreign payload into a record, and an answer back."""

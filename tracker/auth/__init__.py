"""Who is calling: keys, tokens, callers."""

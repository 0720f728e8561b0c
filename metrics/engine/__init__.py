"""The DuckDB store: derived from the record database, which it follows."""

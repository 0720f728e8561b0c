"""DORA metrics over deployment records: definitions in SQL, computed by DuckDB."""

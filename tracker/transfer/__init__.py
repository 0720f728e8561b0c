"""Records in bulk: batch, import, export, tables."""

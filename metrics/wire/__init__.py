"""Text and bytes: parameters, cursors, table files."""

"""What pages are made of: figures, drawings, tables, and what needs attention."""

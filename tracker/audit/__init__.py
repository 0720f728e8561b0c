"""What was recorded since, and what the records lack."""

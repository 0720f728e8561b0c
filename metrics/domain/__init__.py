"""What a record may say and how a repeat of it merges. Pure: no database, no HTTP, nothing of the project."""

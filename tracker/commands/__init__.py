"""What the commands of `tracker` do, one file a subject."""

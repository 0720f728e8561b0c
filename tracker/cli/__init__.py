"""The command line `tracker`, one file a subject."""

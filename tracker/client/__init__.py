"""What runs in a pipeline: reads the CI system and git, and records at a service over HTTP."""

"""The metrics over HTTP: endpoints and their query parameters."""

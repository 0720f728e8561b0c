"""The native interface, one file a resource."""

"""The history that other systems keep, each source a module that finds deployments and incidents in it."""

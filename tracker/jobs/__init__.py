"""Deployments on request: workspaces, the queue, and the runner that carries jobs out."""

"""Deployments: record, read, list, correct, delete, ask for, follow."""

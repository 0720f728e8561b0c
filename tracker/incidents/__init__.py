"""Incidents: report, read, list, resolve, correct."""

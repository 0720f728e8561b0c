"""Answers for people: tables, charts, comparisons, notes."""

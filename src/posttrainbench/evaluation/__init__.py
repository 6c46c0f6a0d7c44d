"""Checkpoint + benchmark + engine -> metrics and an Inspect log."""

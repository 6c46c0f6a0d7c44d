"""Detect test items in the files of a run."""

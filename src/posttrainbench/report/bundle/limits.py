"""Names and limits that writing and reading a bundle share."""

MANIFEST = "bundle.json"
LEADERBOARD = "leaderboard.json"
MAX_MANIFEST = 2**27
MAX_TOTAL = 2**36
"""Bytes of all files together, uncompressed."""
MAX_NAME = 2**15
"""Bytes of a file's path."""

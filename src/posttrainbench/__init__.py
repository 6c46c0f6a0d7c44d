"""Measure whether AI agents can post-train language models by themselves, and whether they cheat.

Importing this package loads nothing heavy: torch, transformers and inspect_ai are imported only by the commands
that need them.
"""

__version__ = "0.1.0"

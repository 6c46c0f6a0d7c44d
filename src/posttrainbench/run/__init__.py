"""A run: its directory, its stages, its journal, and what every failure means."""

from posttrainbench.run.directory import Run, find_runs

__all__ = ["Run", "find_runs"]

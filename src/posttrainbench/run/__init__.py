"""Runs: the run directory, the stages, the journal and the failure policy."""

from posttrainbench.run.directory import Run, find_runs

__all__ = ["Run", "find_runs"]

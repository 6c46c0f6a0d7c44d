"""From run directories to a leaderboard: weights, aggregation and intervals."""

from posttrainbench.scoring.board import BenchmarkScore, BoardCell, Leaderboard, Missing, Row
from posttrainbench.scoring.cells import Baseline, Cell, baselines_of, load_cell, load_cells
from posttrainbench.scoring.leaderboard import leaderboard
from posttrainbench.scoring.weights import weights

__all__ = [
    "Baseline",
    "BenchmarkScore",
    "BoardCell",
    "Cell",
    "Leaderboard",
    "Missing",
    "Row",
    "baselines_of",
    "leaderboard",
    "load_cell",
    "load_cells",
    "weights",
]

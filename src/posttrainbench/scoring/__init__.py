"""From run directories to a leaderboard: weights, aggregation and intervals."""

from posttrainbench.scoring.cells import BaselineScores, Cell, baselines_of, load_cell, load_cells
from posttrainbench.scoring.leaderboard import BenchmarkScore, BoardCell, Leaderboard, Missing, Row, leaderboard
from posttrainbench.scoring.weights import weights

__all__ = [
    "BaselineScores",
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

"""Decide from weights alone which checkpoint a model was derived from.

`compare` reads a candidate, its base model and a forbidden checkpoint once, at about the speed of reading, and returns
a `Lineage`: a verdict with the statistics behind it. docs/lineage.md explains the statistics, the calibration of the
thresholds, and known evasions.
"""

from posttrainbench.audit.lineage.checkpoint import Checkpoint
from posttrainbench.audit.lineage.comparison import compare
from posttrainbench.audit.lineage.records import Lineage, LineageVerdict, Statistics, TensorFacts
from posttrainbench.audit.lineage.verdict import THRESHOLDS, worst
from posttrainbench.catalog.thresholds import Thresholds

__all__ = [
    "THRESHOLDS",
    "Checkpoint",
    "Lineage",
    "LineageVerdict",
    "Statistics",
    "TensorFacts",
    "Thresholds",
    "compare",
    "worst",
]

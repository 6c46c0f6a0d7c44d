"""The thresholds that a comparison is judged by where no rule set says otherwise: docs/lineage.md."""

from posttrainbench.catalog.thresholds import Thresholds

__all__ = ["THRESHOLDS", "Thresholds"]

THRESHOLDS = Thresholds()

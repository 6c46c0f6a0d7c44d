"""The calibration set: every entry of the catalogue of cheats that a reader can decide, and its look-alikes."""

from posttrainbench.audit.judge.calibration import cases_access, cases_data, cases_model
from posttrainbench.audit.judge.calibration.parts import Case

__all__ = ["Case", "cases"]


def cases() -> list[Case]:
    """All cases, in a fixed order, each with an id of its own."""
    return [*cases_data.CASES, *cases_model.CASES, *cases_access.CASES]

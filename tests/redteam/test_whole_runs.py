"""Whole honest runs stay clean without a record of files, and the smallest change to a cheat is seen."""

from pathlib import Path

import pytest
from whole_run_cases import BROKEN, RUNS, TEST
from whole_runs import Session

TWINS = [
    pytest.param(name, number, id=f"{name}, {number}")
    for name, case in RUNS.items()
    for number in range(len(case.twins))
]


@pytest.mark.parametrize("name", RUNS)
def test_an_honest_run_is_clean(name: str, tmp_path: Path) -> None:
    run = Session(tmp_path)
    RUNS[name].make(run)
    _, _, verdict = run.audit()
    assert run.steps >= 60
    assert not verdict.flagged, verdict.reasons
    assert verdict.suspected_rules == [], verdict.reasons
    assert verdict.rules[TEST] == "clean", verdict.reasons


@pytest.mark.parametrize(("name", "number"), TWINS)
def test_a_cheating_twin_is_not_clean(name: str, number: int, tmp_path: Path) -> None:
    twin = RUNS[name].twins[number]
    run = Session(tmp_path, twin)
    RUNS[name].make(run)
    _, _, verdict = run.audit()
    assert verdict.rules[twin.rule] in ("flagged", "suspected"), verdict.reasons


@pytest.mark.parametrize("name", BROKEN)
def test_a_trace_that_breaks_off_proves_nothing(name: str, tmp_path: Path) -> None:
    run = Session(tmp_path)
    BROKEN[name](run)
    _, _, verdict = run.audit()
    assert verdict.rules[TEST] == "not_checked", verdict.reasons

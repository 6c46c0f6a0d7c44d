"""A finding is certified only if its own judge was measured well enough on its rule."""

from typing import Any

import pytest

from posttrainbench.audit.measures import accuracy, certificate_statistics, is_certified
from posttrainbench.records import Certificate, Finding, Level, Quote

GOOD = {
    "broken": 20, "flagged_broken": 20, "cleared_broken": 0, "kept": 30, "flagged_kept": 1, "cleared_kept": 29,
}  # fmt: skip


def certificate(**counts: int) -> Certificate:
    return Certificate(
        judge="m", settings={}, votes=3, prompt_sha256="p", rule_set="v1.2", rules_sha256="r", cases_sha256="c",
        cases=200, date="2026-05-01", rules={"hosted_models": accuracy({**GOOD, **counts})},
    )  # fmt: skip


def finding(carried: Any, **changes: Any) -> Finding:
    given: dict[str, Any] = {
        "detector": "judge",
        "rule": "hosted_models",
        "level": Level.USED,
        "summary": "2 of 3 votes flag it",
        "count": 1,
        "evidence": [Quote(file="workspace/gen.py", line=1, text="ask(host)")],
        "statistics": {"agreement": 2 / 3, "votes": 3, "certificate": carried},
    }
    return Finding(**{**given, **changes})


CARRIED = certificate_statistics(certificate(), "hosted_models")


def test_a_certified_judge_confirms() -> None:
    assert is_certified(finding(CARRIED))
    stored = Finding.model_validate_json(finding(CARRIED).model_dump_json())
    assert is_certified(stored)


@pytest.mark.parametrize(
    "counts",
    [
        {"flagged_broken": 17, "cleared_broken": 3},  # lower bound 0.62
        {"broken": 16, "flagged_broken": 16},  # too few cases: 0.794
        {"flagged_kept": 4, "cleared_kept": 26},
        {"cleared_kept": 20},  # ten were not decided
    ],
)
def test_a_judge_that_errs_confirms_nothing(counts: dict[str, int]) -> None:
    weak = certificate(**counts)
    assert not weak.rules["hosted_models"].certified
    carried = certificate_statistics(weak, "hosted_models")
    assert not is_certified(finding(carried))
    carried["accuracy"]["certified"] = True  # a claim is not a count
    carried["accuracy"]["true_positive"] = carried["accuracy"]["true_negative"] = [0.9, 1.0]
    assert not is_certified(finding(carried))


@pytest.mark.parametrize(
    "changes",
    [
        {"detector": "statements"},
        {"basis": "statements"},
        {"kind": "fact"},
        {"rule": "remote_compute"},
        {"statistics": {"agreement": 1 / 3, "votes": 3, "certificate": CARRIED}},
        {"statistics": {"agreement": 1.0, "votes": 1, "certificate": CARRIED}},
        {"statistics": {"certificate": CARRIED}},
        {"statistics": {"agreement": 1.0, "votes": 3}},
    ],
)
def test_a_certificate_counts_only_for_its_judge_rule_and_votes(changes: dict[str, Any]) -> None:
    assert not is_certified(finding(CARRIED, **changes))


@pytest.mark.parametrize("carried", [None, True, "certified", {}, {"certified": True}, {**CARRIED, "more": 1}])
def test_other_forms_are_no_certificate(carried: Any) -> None:
    assert not is_certified(finding(carried))

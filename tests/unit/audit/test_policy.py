from collections.abc import Callable

import pytest

from posttrainbench.audit import audit as audit_module
from posttrainbench.audit import contamination, kit, weights
from posttrainbench.audit.audit import audit
from posttrainbench.audit.base import AuditInput, detectors
from posttrainbench.audit.policy import RuleSet, decide
from posttrainbench.catalog import rule_sets
from posttrainbench.records import Coverage, Evidence, Finding, Level

RULES = RuleSet.model_validate(
    {
        "id": "demo",
        "title": "Demo",
        "rules": {"data": {"text": "No test data.", "level": "USED", "tolerance": 3}},
    }
)


def finding(level: str, count: int, rule: str = "data") -> Finding:
    return Finding(
        detector="d",
        rule=rule,
        level=Level(level),
        summary="rows stand there",
        count=count,
        evidence=[Evidence(file="f")],
    )


def coverage(checked: bool, rule: str = "data", note: str = "") -> Coverage:
    return Coverage(detector="d", rule=rule, checked=checked, documents=1, size=1, seconds=0, skipped=[], note=note)


@pytest.mark.parametrize(
    ("findings", "seen", "state"),
    [
        ([], [coverage(True)], "clean"),
        ([], [], "not_checked"),
        ([], [coverage(False)], "not_checked"),
        ([], [coverage(False), coverage(True)], "clean"),
        ([], [coverage(True, rule="other")], "not_checked"),
        ([finding("USED", 4)], [coverage(True)], "flagged"),
        ([finding("USED", 3)], [coverage(True)], "clean"),
        ([finding("IN_WEIGHTS", 4)], [coverage(True)], "flagged"),
        ([finding("READ", 400)], [coverage(True)], "clean"),
        ([finding("USED", 4)], [coverage(False)], "flagged"),
        ([finding("USED", 4)], [], "flagged"),
        ([finding("READ", 4)], [coverage(False)], "not_checked"),
        ([finding("USED", 4, rule="other")], [coverage(True)], "clean"),
    ],
)
def test_decide(findings: list[Finding], seen: list[Coverage], state: str) -> None:
    verdict = decide(RULES, findings, seen, ["data"])
    assert verdict.rules == {"data": state}
    assert verdict.flagged is (state == "flagged")
    assert verdict.complete is (state != "not_checked")
    assert len(verdict.reasons) == (state != "clean")


def test_reasons_say_what_and_why() -> None:
    (reason,) = decide(RULES, [finding("USED", 9)], [], []).reasons
    assert "rows stand there" in reason
    assert "9" in reason
    (reason,) = decide(RULES, [], [coverage(False, note="the disk was gone")], []).reasons
    assert reason == "data was not checked: the disk was gone."


def test_a_required_rule_that_the_set_lacks_is_not_checked() -> None:
    verdict = decide(RULES, [], [coverage(True)], ["data", "network"])
    assert verdict.rules == {"data": "clean", "network": "not_checked"}
    assert not verdict.complete


def test_the_rule_set_of_the_catalog_knows_the_detectors_rules() -> None:
    rules = rule_sets()["v1"].rules
    assert {module.RULE for module in (contamination, kit, weights)} < set(rules)
    assert rules["test_data_in_training"].tolerance == 3
    assert rules["model_substitution"].level is Level.IN_WEIGHTS


def failing(evidence: AuditInput) -> tuple[list[Finding], Coverage]:
    raise RecursionError("a \ud800 hostile\nfile")


RULE = "data"  # of the detector `failing`


def test_a_failing_detector_is_neither_a_crash_nor_clean(
    evidence: Callable[..., AuditInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = {
        "failing": failing,
        "good": lambda _: ([finding("USED", 1, "other")], coverage(True, "other")),
    }
    monkeypatch.setattr(audit_module, "detectors", lambda: installed)
    findings, seen, verdict = audit(evidence(), RULES, ["data"])
    assert [one.rule for one in findings] == ["other"]
    assert verdict.rules == {"data": "not_checked"}
    assert "RecursionError" in verdict.reasons[0]
    assert all(one.model_dump_json() for one in seen)


def test_an_extension_that_cannot_be_imported_is_not_clean(
    evidence: Callable[..., AuditInput], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> dict[str, object]:
        raise ImportError("no module named extension")

    monkeypatch.setattr(audit_module, "detectors", broken)
    _, seen, verdict = audit(evidence(), RULES, ["data"])
    assert verdict.rules == {"data": "not_checked"}
    assert "no module named extension" in seen[0].note


@pytest.mark.parametrize("name", rule_sets())
def test_all_installed_detectors_on_a_run_that_left_nothing(evidence: Callable[..., AuditInput], name: str) -> None:
    findings, seen, verdict = audit(evidence(), rule_sets()[name], [])
    assert findings == []
    assert {one.rule for one in seen} >= set(verdict.rules)
    assert verdict.rules["hosted_models"] == "clean"  # there was no network
    for rule in ("test_data_in_training", "model_substitution", "evaluation_tampering"):
        assert verdict.rules[rule] == "not_checked"


def test_every_detector_that_a_rule_needs_is_installed_under_that_name() -> None:
    for rule_set in rule_sets().values():
        for rule in rule_set.rules.values():
            assert set(rule.needs) <= detectors().keys()

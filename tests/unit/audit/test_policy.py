from collections.abc import Callable

import pytest

from posttrainbench.audit import policy
from posttrainbench.audit.contamination import detector as contamination
from posttrainbench.audit.detectors import run_detectors
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.integrity import kit
from posttrainbench.audit.lineage import detector as weights
from posttrainbench.audit.policy import RuleSet, decide
from posttrainbench.catalog import rule_sets
from posttrainbench.records import Adjudication, Coverage, Finding, Level, PathStep, ProvenancePath, Quote, Skipped

RULES = RuleSet.model_validate(
    {
        "id": "demo",
        "title": "Demo",
        "rules": {"data": {"text": "No test data.", "level": "USED", "tolerance": 3}},
    }
)


def finding(level: str, count: int, rule: str = "data", kind: str = "proof", basis: str = "d") -> Finding:
    return Finding(
        kind=kind,  # type: ignore[arg-type]
        basis=basis,
        detector="d",
        rule=rule,
        level=Level(level),
        summary="rows stand there",
        count=count,
        evidence=[Quote(file="f")],
    )


def coverage(checked: bool, rule: str = "data", note: str = "") -> Coverage:
    return Coverage(detector="d", rule=rule, checked=checked, documents=1, size=1, seconds=0, skipped=[], note=note)


@pytest.mark.parametrize(
    ("findings", "seen", "state"),
    [
        ([], [coverage(True)], "clean"),
        ([], [], "not_checked"),
        ([], [coverage(False)], "not_checked"),
        ([], [coverage(False), coverage(True)], "not_checked"),
        ([], [coverage(True, rule="other")], "not_checked"),
        ([finding("USED", 4)], [coverage(True)], "flagged"),
        ([finding("USED", 3)], [coverage(True)], "clean"),
        ([finding("IN_WEIGHTS", 4)], [coverage(True)], "flagged"),
        ([finding("READ", 400)], [coverage(True)], "clean"),
        ([finding("USED", 4)], [coverage(False)], "flagged"),
        ([finding("USED", 4)], [], "flagged"),
        ([finding("READ", 4)], [coverage(False)], "not_checked"),
        ([finding("USED", 4, rule="other")], [coverage(True)], "clean"),
        ([finding("USED", 400, kind="fact")], [coverage(True)], "clean"),
        ([finding("USED", 4, kind="indication")], [coverage(True)], "suspected"),
        ([finding("READ", 4, kind="indication")], [coverage(True)], "suspected"),
        ([finding("PATH", 4, kind="indication")], [coverage(True)], "clean"),
        ([finding("USED", 3, kind="indication")], [coverage(True)], "clean"),
        ([finding("USED", 4, kind="indication")] * 2, [coverage(True)], "suspected"),  # of one basis
        ([finding("USED", 4, kind="indication"), finding("READ", 4, kind="indication", basis="e")], [], "flagged"),
        (
            [finding("READ", 4, kind="indication"), finding("READ", 4, kind="indication", basis="e")],
            [coverage(True)],
            "suspected",
        ),
        (
            [finding("USED", 4, kind="indication"), finding("USED", 4, kind="indication", basis="judge")],
            [coverage(True)],
            "suspected",
        ),  # the judge is not certified
    ],
)
def test_decide(findings: list[Finding], seen: list[Coverage], state: str) -> None:
    verdict = decide(RULES, findings, seen, ["data"])
    assert verdict.rules == {"data": state}
    assert verdict.flagged is (state == "flagged")
    assert verdict.suspected_rules == (["data"] if state == "suspected" else [])
    assert verdict.complete is (state != "not_checked")
    assert bool(verdict.reasons) == (state != "clean")


def test_a_suspected_rule_with_missing_evidence_is_not_complete() -> None:
    verdict = decide(RULES, [finding("USED", 4, kind="indication")], [coverage(False, note="no trace")], ["data"])
    assert verdict.rules == {"data": "suspected"}
    assert not verdict.complete
    assert verdict.reasons[-1] == "data was not checked completely: no trace."


def test_a_judges_finding_is_never_proof() -> None:
    judged = finding("USED", 4, basis="judge").model_copy(update={"detector": "judge"})
    assert decide(RULES, [judged], [coverage(True)], []).rules == {"data": "suspected"}


def test_a_certified_judge_confirms(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = finding("USED", 4, kind="indication", basis="judge")
    certified = judged.model_copy(update={"summary": "certified"})
    monkeypatch.setattr(policy, "is_certified", lambda finding, rules: finding.summary == "certified")
    other = finding("USED", 4, kind="indication")
    for judgement, state in ((judged, "suspected"), (certified, "flagged")):
        assert decide(RULES, [other, judgement], [coverage(True)], []).rules == {"data": state}
        assert decide(RULES, [judgement], [coverage(True)], []).rules == {"data": "suspected"}


def test_a_suite_tolerates_missing_evidence_and_says_so() -> None:
    seen = [coverage(True), coverage(False, note="the kernel is too old").model_copy(update={"detector": "recorder"})]
    assert decide(RULES, [], seen, ["data"]).rules == {"data": "not_checked"}
    verdict = decide(RULES, [], seen, ["data"], tolerated=["recorder"])
    assert verdict.rules == {"data": "clean"}
    assert verdict.complete
    assert verdict.reasons == ["data was checked without recorder: the kernel is too old."]
    only = decide(RULES, [], seen[1:], ["data"], tolerated=["recorder"])
    assert only.rules == {"data": "not_checked"}  # nothing else was seen


def test_each_detector_of_a_rule_must_have_checked() -> None:
    """One that failed is not outvoted by another one, and one whose rules are unknown concerns all of them."""
    for rule in ("data", "*"):
        seen = [coverage(True), coverage(False, rule=rule, note="it failed")]
        assert decide(RULES, [], seen, []).rules == {"data": "not_checked"}
    assert decide(RULES, [], [coverage(True), coverage(False, rule="")], []).rules == {"data": "clean"}


def test_reasons_say_what_and_why() -> None:
    (reason,) = decide(RULES, [finding("USED", 9)], [], []).reasons
    assert "rows stand there" in reason
    assert "9" in reason
    path = ProvenancePath(steps=[PathStep(file="a"), PathStep(operation="writes", file="b", seconds=5.0)])
    recorded = finding("USED", 9).model_copy(update={"paths": [path]})
    (reason,) = decide(RULES, [recorded], [], []).reasons
    assert reason.endswith("(proof, USED, count 9, 3 tolerated); recorded path: a, which wrote b after 5s.")
    (reason,) = decide(RULES, [], [coverage(False, note="the disk was gone")], []).reasons
    assert reason == "data was not checked: the disk was gone."


def test_proof_comes_before_indications() -> None:
    found = [finding("USED", 4, kind="indication"), finding("USED", 5), finding("USED", 6, kind="indication")]
    verdict = decide(RULES, found, [coverage(True)], [])
    assert verdict.flagging == [found[1].id, found[0].id, found[2].id]
    assert "(proof, USED, count 5" in verdict.reasons[0]


def test_an_adjudication_without_its_finding_is_reported() -> None:
    decision = Adjudication(
        time="t", run="r", finding="0123456789ab", decision="dismiss", why="Chance.", name="Ada", email="a@b.c",
        level=Level.USED, count=4,
    )  # fmt: skip
    found = finding("USED", 4)
    verdict = decide(RULES, [found], [coverage(True)], ["data"], [decision])
    assert verdict.rules == {"data": "flagged"}
    assert verdict.reasons[-1] == (
        "An adjudication has no effect, because this audit has no such finding: "
        "finding 0123456789ab was dismissed by Ada <a@b.c>, unsigned: Chance."
    )
    matching = decision.model_copy(update={"finding": found.id})
    verdict = decide(RULES, [found], [coverage(True)], ["data"], [decision, matching, decision])
    assert verdict.rules == {"data": "clean"}
    assert sum("has no effect" in reason for reason in verdict.reasons) == 1
    assert not any("no effect" in reason for reason in decide(RULES, [found], [], [], [matching]).reasons)


def test_what_could_not_be_read_is_the_reason() -> None:
    skipped = [Skipped(path="a.bin", reason="it is encrypted")]
    entries = [coverage(False).model_copy(update={"skipped": skipped}), coverage(False, note="a note")]
    verdict = decide(RULES, [], entries, ["data"])
    assert verdict.reasons == ["data was not checked: a.bin: it is encrypted; a note."]


def test_a_required_rule_that_the_set_lacks_is_not_checked() -> None:
    verdict = decide(RULES, [], [coverage(True)], ["data", "network"])
    assert verdict.rules == {"data": "clean", "network": "not_checked"}
    assert not verdict.complete


def test_the_rule_set_of_the_catalog_knows_the_detectors_rules() -> None:
    rules = rule_sets()["v1"].rules
    assert {module.RULE for module in (contamination, kit, weights)} < set(rules)
    assert rules["test_data_in_training"].tolerance == 3
    assert rules["model_substitution"].level is Level.IN_WEIGHTS


@pytest.mark.parametrize("name", rule_sets())
def test_all_installed_detectors_on_a_run_that_left_nothing(evidence: Callable[..., Evidence], name: str) -> None:
    findings, seen, verdict = run_detectors(evidence(), rule_sets()[name], [])
    assert findings == []
    assert {one.rule for one in seen} >= set(verdict.rules)
    assert verdict.rules["hosted_models"] == "clean"  # there was no network
    for rule in ("test_data_in_training", "model_substitution", "evaluation_tampering"):
        assert verdict.rules[rule] == "not_checked"

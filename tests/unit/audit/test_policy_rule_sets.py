"""Policy: what each field of a rule does, and that a verdict can be computed again from stored facts alone."""

import pytest

from posttrainbench.audit.lineage import LineageVerdict
from posttrainbench.audit.lineage.records import Statistics
from posttrainbench.audit.measures import CorpusStatistics, DescentStatistics, FileGroup, apply_thresholds
from posttrainbench.audit.policy import decide
from posttrainbench.audit.summary import exit_code, summarize
from posttrainbench.catalog import RuleSet, rule_sets
from posttrainbench.records import Adjudication, Coverage, Finding, Level, Quote, Verdict

RULE = {"level": "USED"}


def rules(**changes: object) -> RuleSet:
    lineage = changes.pop("lineage", {})
    return RuleSet.model_validate(
        {"id": "own", "title": "Own", "rules": {"data": RULE | changes}, "lineage": lineage}  # type: ignore[operator]
    )


def finding(**changes: object) -> Finding:
    given = {
        "detector": "d",
        "rule": "data",
        "level": "USED",
        "summary": "rows stand there",
        "count": 9,
        "kind": "proof",
    }
    return Finding.model_validate(given | {"evidence": [Quote(file="f")]} | changes)


def seen(detector: str = "d", checked: bool = True, note: str = "") -> Coverage:
    return Coverage(
        detector=detector, rule="data", checked=checked, documents=1, size=1, seconds=0, skipped=[], note=note
    )


def word(of: Finding, decision: str, **changes: object) -> Adjudication:
    given = {"time": "", "run": "r", "finding": of.id, "decision": decision, "why": "I looked", "name": "Ada"}
    return Adjudication.model_validate(
        given | {"email": "ada@example.org", "level": of.level, "count": of.count} | changes
    )


def state(rule_set: RuleSet, found: list[Finding], *words: Adjudication, checked: bool = True) -> str:
    return decide(rule_set, found, [seen(checked=checked)], [], words).rules["data"]


def test_a_rule_that_is_only_reported_flags_and_costs_nothing() -> None:
    for effect, costs in (("reset", True), ("report", False)):
        verdict = decide(rules(effect=effect), [finding()], [seen()], [])
        assert verdict.rules == {"data": "flagged"}
        assert verdict.flagged is costs
        assert exit_code(verdict) == 1


@pytest.mark.parametrize(
    ("outcome", "attempts", "expected"),
    [
        ("attempted", False, "clean"),
        ("attempted", True, "flagged"),
        ("succeeded", False, "flagged"),
        ("unknown", False, "flagged"),
    ],
)
def test_an_attempt_counts_where_the_rule_says_so(outcome: str, attempts: bool, expected: str) -> None:
    assert state(rules(attempts=attempts), [finding(outcome=outcome)]) == expected


@pytest.mark.parametrize(
    ("documents", "sightings", "verbatim", "expected"),
    [
        (1_000, 9, 0, "flagged"),
        (1_000_000, 9, 0, "clean"),  # chance puts some 38 there
        (1_000_000, 9, 4, "flagged"),  # but no verbatim copies
        (1_000_000, 900, 0, "flagged"),
    ],
)
def test_chance_explains_as_much_as_a_corpus_is_large(
    documents: int, sightings: int, verbatim: int, expected: str
) -> None:
    statistics = CorpusStatistics(by="text", documents=documents, items=9, sightings=sightings, verbatim=verbatim)
    found = finding(statistics=statistics.model_dump())
    for name in ("v1", "v1.1", "v1.2"):
        rule = rule_sets()[name].rules["test_data_in_training"]
        assert state(rules(**rule.model_dump()), [found]) == expected
    assert state(rules(tolerance=3), [found]) == "flagged"  # no background is known to this rule


def test_the_background_rates_are_those_of_the_scanner() -> None:
    from posttrainbench.audit.contamination.scan.verdict import BACKGROUND, TOLERANCE, WORDLESS_BACKGROUND

    for name, rule_set in rule_sets().items():
        rule = rule_set.rules["test_data_in_training"]
        assert rule.background is not None
        assert rule.background.text == pytest.approx(BACKGROUND, rel=1e-2)
        assert rule.background.numbers == pytest.approx(WORDLESS_BACKGROUND, rel=1e-2)
        assert rule.tolerance == (0 if name == "strict" else TOLERANCE)


@pytest.mark.parametrize(
    ("group", "expected"),
    [
        (FileGroup(files=1, documents=60, items=9, sightings=9), "flagged"),  # in one file of 60 documents
        (FileGroup(files=1, documents=900_000, items=9, sightings=9), "clean"),
        (FileGroup(files=1, documents=60, items=3, sightings=9), "clean"),  # tolerated
    ],
)
def test_files_beside_the_bad_one_do_not_dilute_its_matches(group: FileGroup, expected: str) -> None:
    statistics = CorpusStatistics(
        by="text", documents=1_000_000, files=1000, items=9, sightings=9, test_items=1319, densest=[group]
    )
    for rule_set in rule_sets().values():
        rule = rule_set.rules["test_data_in_training"].model_copy(update={"tolerance": 3})
        assert state(rules(**rule.model_dump()), [finding(statistics=statistics.model_dump())]) == expected


@pytest.mark.parametrize(
    ("items", "test_items", "expected"),
    [(3, 1319, "clean"), (4, 1319, "flagged"), (3, 30, "flagged"), (1, 30, "clean"), (3, 0, "clean")],
)
def test_of_a_small_test_set_less_is_tolerated(items: int, test_items: int, expected: str) -> None:
    statistics = CorpusStatistics(
        by="text", documents=items, items=items, sightings=items, verbatim=items, test_items=test_items
    )
    found = finding(count=items, statistics=statistics.model_dump())
    for name, rule_set in rule_sets().items():
        rule = rule_set.rules["test_data_in_training"]
        assert state(rules(**rule.model_dump()), [found]) == ("flagged" if name == "strict" else expected)


def test_numbers_alone_are_held_to_their_own_rate() -> None:
    statistics = CorpusStatistics(by="numbers", documents=7_473, items=9, sightings=9)
    rule = rule_sets()["v1"].rules["test_data_in_training"]
    for sightings, expected in ((9, "clean"), (40, "flagged")):
        found = finding(statistics=statistics.model_copy(update={"sightings": sightings}).model_dump())
        assert state(rules(**rule.model_dump()), [found]) == expected


def descent(**changes: object) -> Finding:
    zeros = {name: 0.0 for name, info in Statistics.model_fields.items() if info.annotation is float}
    counts = {"elements": 9000, "compared": 9000, "differing": 9000, "identical": 0, "slope_cells": 30, "rearranged": 0}
    statistics = Statistics.model_validate(zeros | counts | {"layers": [], "sampled": False} | changes)
    return finding(
        detector="weights",
        level="NAME",
        count=0,
        statistics=DescentStatistics(
            against="demo-instruct",
            folder="submission",
            unchanged=False,
            statistics=statistics.model_dump(),
            tensors=["model.norm.weight"],
        ).model_dump(),
    )


def test_descent_is_judged_anew_by_the_thresholds_of_the_rule_set() -> None:
    found = descent(rho=0.5)
    assert (apply_thresholds(found, rules()).level, apply_thresholds(found, rules()).count) == (Level.NAME, 0)
    stricter = rules(level="READ", lineage={"suspect_rho": 0.4})
    again = apply_thresholds(found, stricter)
    assert (again.level, again.count, again.id) == (Level.READ, 1, found.id)
    assert "correlates" in again.summary
    assert again.kind == "indication"
    assert state(stricter, [found]) == "suspected"
    assert state(stricter.model_copy(update={"indications": 1}), [found]) == "flagged"
    assert state(rules(lineage={"suspect_rho": 0.4}), [found]) == "suspected"
    assert state(rules(), [found]) == "clean"
    proof = apply_thresholds(descent(identical=5), rules())
    assert (proof.level, proof.count, proof.kind) == (Level.IN_WEIGHTS, 5, "proof")
    assert proof.evidence[-1].text == "tensor model.norm.weight"
    assert {tier.value for tier in LineageVerdict} == {
        "proof",
        "not_base_derived",
        "suspect",
        "clean",
        "base_unchanged",
    }


def test_a_judges_finding_needs_agreement() -> None:
    for agreement, expected in ((0.3, "clean"), (0.5, "clean"), (0.6, "flagged"), (1.0, "flagged")):
        assert state(rules(), [finding(statistics={"agreement": agreement})]) == expected


def test_a_person_overrules_and_confirms() -> None:
    found = finding()
    assert state(rules(), [found], word(found, "dismiss")) == "clean"
    assert state(rules(), [found], word(found, "dismiss"), checked=False) == "not_checked"
    assert state(rules(), [found], word(found, "dismiss"), word(found, "confirm")) == "flagged"
    weak = finding(level="READ", count=1)
    assert state(rules(tolerance=3), [weak], word(weak, "confirm")) == "flagged"
    assert state(rules(), [found], word(finding(evidence=[Quote(file="other")]), "dismiss")) == "flagged"


def test_an_adjudication_is_told_in_the_reasons() -> None:
    found = finding()
    (reason,) = decide(rules(), [found], [seen()], [], [word(found, "dismiss")]).reasons
    for part in (found.id, "rows stand there", "dismissed by Ada <ada@example.org>", "unsigned", "I looked"):
        assert part in reason
    assert decide(rules(), [found], [seen()], [], [word(found, "confirm")]).reasons[0].startswith("data is violated")


def test_a_dismissal_does_not_cover_a_finding_that_has_grown() -> None:
    found = finding()
    for seen_then in ({"count": 4}, {"level": "READ"}):
        dismissed = word(found, "dismiss", **seen_then)
        verdict = decide(rules(), [found], [seen()], [], [dismissed])
        assert verdict.rules == {"data": "flagged"}
        assert any("does not cover it" in reason for reason in verdict.reasons)


def test_an_id_names_the_same_finding_in_every_audit() -> None:
    assert finding(summary="said otherwise", count=30).id == finding().id
    ids = {finding(**change).id for change in ({}, {"rule": "r"}, {"level": "READ"}, {"detector": "e"})}
    ids.add(finding(evidence=[Quote(file="f", line=2)]).id)
    assert len(ids) == 5
    stored = Finding.model_validate_json(finding().model_dump_json())
    assert stored == finding()


@pytest.mark.parametrize(
    ("states", "report_only", "required", "code"),
    [
        ({"a": "clean", "b": "clean"}, [], ["a"], 0),
        ({"a": "flagged", "b": "not_checked"}, [], ["a"], 1),
        ({"a": "clean", "b": "not_checked"}, [], ["a"], 2),
        ({"a": "clean", "b": "not_checked"}, ["b"], ["a"], 0),
        ({"a": "clean", "b": "not_checked"}, ["b"], ["b"], 2),
        ({"a": "clean", "b": "suspected"}, [], ["a"], 3),
        ({"a": "clean", "b": "suspected"}, ["b"], ["a"], 0),
        ({"a": "not_checked", "b": "suspected"}, [], ["a"], 2),
    ],
)
def test_exit_code(states: dict[str, str], report_only: list[str], required: list[str], code: int) -> None:
    verdict = Verdict.model_validate(
        {"rule_set": "own", "rules": states, "reasons": [], "required": required, "report_only": report_only}
    )
    assert exit_code(verdict) == code


def test_the_summary_says_what_each_finding_counts_for() -> None:
    flags, weak, other = finding(), finding(level="READ", kind="fact"), finding(rule="elsewhere")
    dismissed = finding(evidence=[Quote(file="dismissed")])
    measured = finding(count=0, level="NAME")
    found = [measured, weak, other, dismissed, flags]
    words = [word(dismissed, "dismiss")]
    verdict = decide(rules(), found, [seen()], [], words)
    summary = summarize("runs/one", rules(), found, [seen()], verdict, words)
    states = {one.id: one.state for one in summary.findings}
    assert states == {
        flags.id: "flags",
        weak.id: "reported",
        other.id: "other_rules",
        dismissed.id: "dismissed",
        measured.id: "measured",
    }
    assert summary.findings[0].id == flags.id

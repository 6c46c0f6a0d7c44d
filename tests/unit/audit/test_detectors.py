"""Installed detectors: loaded one by one, so that a broken package loses only its own detector."""

import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from types import ModuleType

import pytest

from posttrainbench.audit import detectors
from posttrainbench.audit.evidence import Evidence
from posttrainbench.catalog import RuleSet
from posttrainbench.records import Coverage, Finding, Level, Quote, Verdict

RULES = RuleSet.model_validate(
    {
        "id": "demo",
        "title": "Demo",
        "rules": {
            "data": {"text": "No test data.", "level": "USED"},
            "other": {"text": "Nothing else.", "level": "USED"},
        },
    }
)


def finding(rule: str) -> Finding:
    return Finding(
        detector="d",
        rule=rule,
        level=Level.USED,
        summary="rows match",
        count=1,
        kind="proof",
        evidence=[Quote(file="f")],
    )


def checked(rule: str) -> Coverage:
    return Coverage(detector="good", rule=rule, checked=True, documents=1, size=1, seconds=0, skipped=[])


def module(detect: object, **names: object) -> ModuleType:
    """A module of an extension, with its detector and its own names."""
    made = ModuleType("extension_under_test")
    made.__dict__.update(names, detect=detect)
    if callable(detect) and not isinstance(detect, ModuleType):
        detect.__module__ = made.__name__
    return made


@pytest.fixture
def audit(
    evidence: Callable[..., Evidence], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[list[Finding], list[Coverage], Verdict]]:
    """Audits with two entry points: `good`, which checks the rule `other`, and `extension` as given."""

    def run(extension: ModuleType | str, *, good: list[Finding] | None = None, rule: str = "other"):
        names = ModuleType("good_extension")
        names.__dict__["detect"] = lambda _: (good or [], checked(rule))
        monkeypatch.setitem(sys.modules, names.__name__, names)
        value = "extension_under_test:detect"
        if isinstance(extension, ModuleType):
            monkeypatch.setitem(sys.modules, extension.__name__, extension)
        else:
            value = extension
        points = EntryPoints(
            [
                EntryPoint("extension", value, detectors.GROUP),
                EntryPoint("good", "good_extension:detect", detectors.GROUP),
            ]
        )
        monkeypatch.setattr(detectors, "entry_points", lambda group: points.select(group=group))
        return detectors.run_detectors(evidence(), RULES, ["data"])

    return run


def test_a_missing_module_is_reported_by_name_and_the_others_still_run(audit) -> None:
    findings, coverage, verdict = audit("no_such_package.detector:detect", good=[finding("other")])
    assert [one.rule for one in findings] == ["other"]
    (failure,) = [entry for entry in coverage if not entry.checked]
    assert (failure.detector, failure.rule, failure.failed) == ("extension", "", True)
    assert "extension (no_such_package.detector:detect)" in failure.note
    assert "ModuleNotFoundError: No module named 'no_such_package'" in failure.note
    assert verdict.rules == {"data": "not_checked", "other": "flagged"}
    assert all("no_such_package" in reason for reason in verdict.reasons if "was not checked" in reason)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("raise ValueError('bad version')", "ValueError: bad version"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("x = 1", "AttributeError"),
        ("def", "SyntaxError"),
    ],
)
def test_whatever_an_import_raises_is_reported(
    audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, error: str
) -> None:
    (tmp_path / "broken_extension.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_extension", raising=False)
    _, coverage, verdict = audit("broken_extension:detect")
    assert [error in entry.note for entry in coverage if entry.failed] == [True]
    assert verdict.rules == {"data": "not_checked", "other": "clean"}


def test_an_intact_extension_counts(audit) -> None:
    def detect(evidence: Evidence) -> tuple[list[Finding], list[Coverage]]:
        return [], [checked("data")]

    findings, coverage, verdict = audit(module(detect))
    assert findings == []
    assert not any(entry.failed for entry in coverage)
    assert set(verdict.rules.values()) == {"clean"}


def test_an_intact_extension_flags(audit) -> None:
    _, _, verdict = audit(module(lambda _: ([finding("data")], checked("data"))))
    assert verdict.rules["data"] == "flagged"


def failing(evidence: Evidence) -> tuple[list[Finding], Coverage]:
    raise RecursionError("a \ud800 hostile\nfile")


@pytest.mark.parametrize(
    ("names", "unchecked"),
    [
        ({"RULE": "data"}, {"data"}),
        ({"RULES": ("data", "other")}, {"data", "other"}),
        ({"RULES": {"kind": "other"}, "RULE": "data"}, {"data", "other"}),
        ({}, {"data"}),
    ],
)
def test_the_rules_of_a_failing_detector_are_not_checked(audit, names: dict[str, object], unchecked: set[str]) -> None:
    findings, coverage, verdict = audit(module(failing, **names), good=[])
    assert findings == []
    assert {rule for rule, state in verdict.rules.items() if state == "not_checked"} == unchecked
    assert all("RecursionError" in entry.note for entry in coverage if entry.failed)
    assert any("RecursionError" in reason for reason in verdict.reasons)
    assert all(entry.model_dump_json() for entry in coverage)


def test_a_detector_that_exits_has_failed(audit) -> None:
    findings, coverage, verdict = audit(module(lambda _: sys.exit(0), RULE="data"), good=[finding("other")])
    assert [one.rule for one in findings] == ["other"]
    assert [entry.note for entry in coverage if entry.failed] == ["the detector extension failed: SystemExit: 0"]
    assert verdict.rules["data"] == "not_checked"


def test_a_rule_that_a_failing_detector_covers_is_not_clean_though_another_checked_it(audit) -> None:
    _, _, verdict = audit(module(failing, RULE="data"), rule="data")
    assert verdict.rules["data"] == "not_checked"


def test_a_finding_of_another_detector_flags_although_one_failed(audit) -> None:
    _, _, verdict = audit(module(failing, RULE="data"), good=[finding("data")])
    assert verdict.rules["data"] == "flagged"


@pytest.mark.parametrize(
    "result", [None, ([], None), (None, checked("data")), (["text"], checked("data")), ([], ["text"]), ([],)]
)
def test_a_detector_that_returns_something_else_has_failed(audit, result: object) -> None:
    _, coverage, verdict = audit(module(lambda _: result))
    assert [entry.detector for entry in coverage if entry.failed] == ["extension"]
    assert verdict.rules == {"data": "not_checked", "other": "clean"}


def test_an_entry_point_that_is_not_a_function_has_failed(audit) -> None:
    _, coverage, _ = audit(module("text"))
    assert [entry.detector for entry in coverage if entry.failed] == ["extension"]


def test_a_detector_with_the_name_of_a_built_in_one_does_not_replace_it(monkeypatch: pytest.MonkeyPatch) -> None:
    points = EntryPoints(
        [
            EntryPoint("kit", "posttrainbench.audit.integrity.kit:detect", detectors.GROUP),
            EntryPoint("kit", "somebody.elses:detect", detectors.GROUP),
        ]
    )
    monkeypatch.setattr(detectors, "entry_points", lambda group: points.select(group=group))
    loaded, (failure,) = detectors.load_detectors()
    assert loaded["kit"].__module__ == "posttrainbench.audit.integrity.kit"
    assert "kit (somebody.elses:detect) has the name of another detector" in failure.note

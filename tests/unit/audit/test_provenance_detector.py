from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.provenance.detector import detect

START = '{"t": 1, "op": "start", "version": 1, "kernel": "6", "kept": [], "epoch": 0, "killable": true}\n'
END = '{"t": 2, "op": "end", "epoch": 0, "counts": {}, "calls": 0, "cpu_seconds": 0, "memory": 0}\n'


@pytest.mark.parametrize(
    ("changes", "record", "note"),
    [
        ({"provenance": "recorded"}, START + END, ""),
        ({"provenance": "recorded"}, START, "incomplete"),
        ({"provenance": "recorded", "provenance_note": "it reached its limit"}, START + END, "it reached its limit"),
        ({"provenance": "unavailable", "provenance_note": "old kernel"}, None, "could not be recorded: old kernel"),
        ({"provenance": "off"}, None, "was not recorded"),
    ],
)
def test_a_record_that_is_missing_or_incomplete_is_told(
    evidence: Callable[..., Evidence], changes: dict[str, Any], record: str | None, note: str
) -> None:
    given = evidence()
    case = replace(given, outcome=given.outcome.model_copy(update=changes))
    if record is not None:
        (case.solve / "provenance").mkdir(parents=True)
        (case.solve / "provenance" / "provenance.jsonl").write_text(record)
    findings, coverage = detect(case)
    assert findings == []
    assert coverage.checked is (note == "")
    assert note in coverage.note

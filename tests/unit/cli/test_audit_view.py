"""`ptb audit` names the files that its detectors skipped."""

import pytest

from posttrainbench.audit.summary import FindingSummary
from posttrainbench.cli.audit_view import SKIPPED_PATHS, SKIPPED_REASONS, _show_finding, _skipped
from posttrainbench.cli.console import Console
from posttrainbench.records import Coverage, Level, Quote, Skipped


def coverage(*skipped: tuple[str, str]) -> Coverage:
    entries = [Skipped(path=path, reason=reason) for path, reason in skipped]
    return Coverage(detector="contamination", rule="x", checked=True, documents=1, size=1, seconds=0, skipped=entries)


def test_skipped_files_are_named_once_for_each_reason() -> None:
    lines = _skipped(coverage(("a.bin", "too large"), ("b.z", "unknown format"), ("c\x1b[2J.bin", "too large")))
    assert lines == ["contamination skipped a.bin, c.bin: too large", "contamination skipped b.z: unknown format"]
    assert _skipped(coverage()) == []


def test_many_skipped_files_are_counted() -> None:
    [line] = _skipped(coverage(*((f"{number}.bin", "too large") for number in range(SKIPPED_PATHS + 1200))))
    assert line.endswith("3.bin and 1,200 more: too large")
    reasons = _skipped(coverage(*((f"{number}.bin", f"reason {number}") for number in range(SKIPPED_REASONS + 3))))
    assert len(reasons) == SKIPPED_REASONS + 1
    assert "3 more for other reasons" in reasons[-1]


def test_the_same_quotations_are_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    def finding(rule: str, text: str) -> FindingSummary:
        quote = Quote(file="train.py", line=1, text=text)
        return FindingSummary(
            detector="d", rule=rule, level=Level.USED, summary="a fact", count=1, evidence=[quote], state="flags"
        )

    quoted: dict[str, str] = {}
    findings = [finding("one", "stolen text"), finding("two", "stolen text"), finding("one", "other text")]
    for each in findings:
        _show_finding(Console(width=80), each, quoted)
    said = capsys.readouterr().out
    assert said.count("stolen text") == 1
    assert said.count("other text") == 1
    assert f"The same quotations as for {findings[0].id}." in said

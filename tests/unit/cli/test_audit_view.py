"""`ptb audit` names the files that its detectors skipped."""

from posttrainbench.cli.audit_view import SKIPPED_PATHS, SKIPPED_REASONS, _skipped
from posttrainbench.records import Coverage, Skipped


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

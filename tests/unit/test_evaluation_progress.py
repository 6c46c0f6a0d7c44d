"""The time left and the speed that an evaluation reports."""

import pytest

from posttrainbench.cli.evaluations import _progress
from posttrainbench.evaluation.counter import seconds_left
from posttrainbench.evaluation.progress import Progress


@pytest.mark.parametrize(
    ("done", "left", "rows", "expected"),
    [
        (0, 100, 16, None),
        (1, 99, 1, pytest.approx(10 / 1.5 * 98.5)),
        (1, 1318, 256, pytest.approx(10 / 129 * 1190)),
        (50, 50, 1000, pytest.approx(10 / 75 * 25)),
        (100, 0, 16, 0),
    ],
)
def test_items_in_progress_count_as_half_complete(done: int, left: int, rows: int, expected: object) -> None:
    assert seconds_left(done, left, rows, seconds=10.0) == expected


def test_progress_in_words() -> None:
    text = "gsm8k, seed 0: 3 of 9 items, mean so far 33.3 percent, 85 tokens/s, 4m 5s left"
    assert str(Progress("gsm8k, seed 0", 3, 9, 1 / 3, 85.2, 245.0)) == text
    assert str(Progress("gsm8k, seed 0", 0, 9)) == "gsm8k, seed 0: 0 of 9 items"


def test_an_old_report_says_that_no_item_was_completed_since() -> None:
    report = Progress("bfcl, seed 0", 12, 100, 0.0, 3.0, 2432.0, since=1000.0)
    assert report.at(1059.0) == str(report)
    assert report.at(1060.0) == f"{report}; no item was completed in the last 1m 0s"
    assert Progress("loading the checkpoint", since=1000.0).at(2000.0) == "loading the checkpoint"


def test_piped_progress_is_a_line_for_each_quarter(capsys: pytest.CaptureFixture[str]) -> None:
    with _progress("micro-math") as tell:
        for done in range(201):
            tell(Progress("micro-math, seed 0", done, 200, 0.5, 85.0, 4.0))
        tell(Progress("starting", 0, 0))
    lines = [line.split(":")[1].split()[0] for line in capsys.readouterr().err.splitlines()]
    assert lines == ["0", "50", "100", "150"]

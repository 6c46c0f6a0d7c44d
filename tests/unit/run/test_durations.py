"""Durations in words."""

import pytest

from posttrainbench.run.progress import format_duration


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (2.5, "2.5 seconds"),
        (30, "30 seconds"),
        (60, "1 minute"),
        (90, "1 minute 30 seconds"),
        (3600, "1 hour"),
        (3605, "1 hour 5 seconds"),
        (5400, "1 hour 30 minutes"),
        (36000, "10 hours"),
        (90061, "25 hours 1 minute 1 second"),
    ],
)
def test_format_duration(seconds: float, text: str) -> None:
    assert format_duration(seconds) == text

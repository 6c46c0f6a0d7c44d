"""The list of experiments fits the terminal, and their paths are never broken."""

import io

import pytest
from rich.console import Console

from posttrainbench.report.experiment_table import Experiment, experiment_lines

PATH = "runs/an-experiment-with-a-long-name"
FOUND = [
    Experiment(
        PATH,
        12,
        {"scored": 8, "suspected": 1, "base_fallback": 1, "interrupted": 1, "damaged": 1},
        ["a", "b"],
        "2026-11-30T09:06:00",
    ),
    Experiment("runs/empty", 0, {}, [], ""),
]


def printed(width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), highlight=False)
    with console.capture() as capture:
        for line in experiment_lines(FOUND, width):
            console.print(line, soft_wrap=True)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_a_wide_terminal_shows_a_table() -> None:
    header, first, second = printed(140)
    assert header.split()[:3] == ["created", "runs", "scored"]
    assert first.split() == ["2026-11-30", "09:06", "12", "8", "1", "1", "1", "1", "2", PATH]
    assert second.split() == ["0", "0", "runs/empty"]


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_shows_paths_above_numbers(width: int) -> None:
    lines = printed(width)
    assert max(map(len, lines)) <= width
    text = " ".join(" ".join(lines).split())
    numbers = "2026-11-30 09:06, 2 agents, 12 runs: 8 scored, 1 base fallback, 1 suspected, 1 interrupted, 1 damaged"
    assert text == f"{PATH} {numbers} runs/empty 0 agents, 0 runs"

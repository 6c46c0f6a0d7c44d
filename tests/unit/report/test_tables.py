"""Terminal tables: what they say, and that hostile text does nothing."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType

from posttrainbench.report import leaderboard_table, result_table
from posttrainbench.scoring import Cell, baselines_of, leaderboard


def shown(table: RenderableType, width: int = 160) -> str:
    """What a terminal would get, without colours."""
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, no_color=True)
    console.print(table)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def harmless(text: str) -> None:
    bare = text.replace("\x1b[1m", "").replace("\x1b[0m", "")
    for sequence in ("\x1b[2m", "\x1b[9m", "\x1b[2;9m", "\x1b[1;2m", "\x1b[3m", "\x1b[2;3m"):
        bare = bare.replace(sequence, "")  # the table's own styles
    assert not set("\x1b\x9b\x07\x08\r\u202e\u2066\u200b\ufeff") & set(bare)
    bare.encode()


def test_leaderboard(make_cell: Any) -> None:
    cells = [
        make_cell("good", seed=0, raw=0.4),
        make_cell("good", seed=1, raw=0.5),
        make_cell("cheat", raw=0.9, status="base_fallback"),
        make_cell("broken", raw=None, status="infrastructure_error", reasons=["The engine failed."]),
    ]
    text = " ".join(shown(leaderboard_table(leaderboard(cells, baselines_of(cells)))).split())
    for expected in (
        "45.0 ± 7.1",
        "10.0* (90.0)",
        "instruct",
        "60.0",
        "The engine failed.",
        "no counted run of m on b (",
    ):
        assert expected in text
    assert text.index("good") < text.index("cheat") < text.index("broken") < text.index("instruct")


def test_result(caught: Cell) -> None:
    assert caught.result is not None
    text = shown(result_table(caught.result, caught.spec, Path("runs/x")))
    for expected in (
        "10.0",
        "90.0",
        "60.0",
        "base fallback",
        "flagged",
        "not checked",
        "runs/x",
        "and 1 more",
    ):
        assert expected in text


def test_result_without_scores(make_cell: Any) -> None:
    cell = make_cell(raw=None, status="infrastructure_error", reasons=["The engine failed."])
    text = shown(result_table(cell.result, cell.spec))
    assert "infrastructure error" in text
    assert "–" in text
    assert "Evidence" not in text


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_text(caught: Cell, width: int) -> None:
    assert caught.result is not None
    harmless(shown(result_table(caught.result, caught.spec, Path("runs/x")), width))
    text = shown(leaderboard_table(leaderboard([caught], baselines_of([caught]))), width)
    harmless(text)
    if width == 200:
        assert "[bold red]rich[/]" in text.replace("\n", "")

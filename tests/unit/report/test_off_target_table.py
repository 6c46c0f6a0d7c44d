"""Off-target scores in the leaderboard's terminal table and its CSV form."""

import csv
import io
from dataclasses import replace
from typing import Any

from rich.console import Console

from posttrainbench.records import OffTarget
from posttrainbench.report.table_formats import as_csv
from posttrainbench.report.tables import leaderboard_table, result_table
from posttrainbench.scoring import Cell, Leaderboard, baselines_of, leaderboard


def board(*cells: Cell) -> Leaderboard:
    return leaderboard(cells, baselines_of(cells))


def evaluated(cell: Cell, **scores: float | None) -> Cell:
    assert cell.result is not None
    entries = [OffTarget(benchmark=b, score=s, base_score=0.5, instruct_score=0.8) for b, s in scores.items()]
    return replace(cell, result=cell.result.model_copy(update={"off_target": entries}))


def printed(result: Leaderboard) -> list[str]:
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(leaderboard_table(result), soft_wrap=True)
    return capture.get().splitlines()


def test_the_terminal_shows_what_was_gained_and_forgotten(make_cell: Any, hostile: str) -> None:
    first = evaluated(make_cell(f"good {hostile}", raw=0.6), code=0.25, math=0.75)
    cells = [
        first,
        evaluated(make_cell("broken", raw=0.5), code=None),
        evaluated(make_cell("cheat", raw=0.9, status="base_fallback"), code=0.9),
    ]
    lines = printed(board(*cells))
    [header] = [number for number, line in enumerate(lines) if "lowest" in line and "off target" in line]
    good, math, broken, cheat = (line.split() for line in lines[header + 1 : header + 5])
    assert good[-8:] == ["code", "25.0", "50.0", "-25.0", "-25.0", "-25.0", "80.0", "1"]
    assert math == ["math", "75.0", "50.0", "+25.0", "+25.0", "+25.0", "80.0", "1"]
    assert broken == ["broken", "code", *["–"] * 6, "0"]
    assert cheat[:3] == ["cheat", "code", "–"]
    text = "\n".join(lines)
    assert "1 off-target evaluation failed because of the submission" in text
    assert "1 off-target evaluation of runs reset to the base score left out" in text
    assert not {"\x1b", "\u202e", "\ud800"} & set(text)


def test_the_result_shows_what_was_gained_and_forgotten(make_cell: Any, hostile: str) -> None:
    cell = evaluated(make_cell("x", raw=0.6), code=0.25, math=0.75)
    assert cell.result is not None
    lost = OffTarget(benchmark="calls", score=None, base_score=0.1, instruct_score=0.2, text=f"broken {hostile}")
    result = cell.result.model_copy(update={"off_target": [*cell.result.off_target, lost]})
    console = Console(width=100, file=io.StringIO())
    with console.capture() as capture:
        console.print(result_table(result, cell.spec), soft_wrap=True)
    rows = [line.split() for line in capture.get().splitlines()]
    assert ["code", "25.0", "50.0", "-25.0", "80.0"] in rows
    assert ["math", "75.0", "50.0", "+25.0", "80.0"] in rows
    assert next(row for row in rows if row[:1] == ["calls"])[:6] == ["calls", "–", "10.0", "–", "20.0", "broken"]
    assert not {"\x1b", "\u202e", "\ud800"} & set(capture.get())


def test_without_such_evaluations_nothing_is_printed(make_cell: Any) -> None:
    assert not any("off target" in line for line in printed(board(make_cell("x"))))
    assert "off_target" not in as_csv(board(make_cell("x")))


def test_csv_has_columns_for_each_benchmark(make_cell: Any) -> None:
    result = board(evaluated(make_cell("x"), code=0.25, math=None), make_cell("y"))
    rows = {row["agent"]: row for row in csv.DictReader(io.StringIO(as_csv(result)))}
    names = [name for name in rows["x"] if name.startswith("off_target")]
    parts = ("", "_base", "_instruct", "_runs")
    assert names == [f"off_target_{name}{part}" for name in ("code", "math") for part in parts]
    assert [rows["x"][name] for name in names] == ["0.25", "0.5", "0.8", "1", "", "", "", "0"]
    assert not any(rows[other][name] for other in ("y", "base", "instruct") for name in names)

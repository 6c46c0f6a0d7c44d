"""The leaderboard as CSV, Markdown and LaTeX: values, notes, and names that the formats would interpret."""

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from scoring_runs import write_run

from posttrainbench.records import TrivialAnswer
from posttrainbench.report.leaderboard_page import render_site
from posttrainbench.report.table_formats import as_csv, as_latex, as_markdown
from posttrainbench.report.tables import leaderboard_table
from posttrainbench.scoring import Leaderboard, baselines_of, leaderboard
from support import assert_refused

EVIL = "=cmd|'/C calc'!A0 _x_ [a](http://b) <script> 50% $x$ \\input{x} #1 & ~^ | \x1b[31m\u202e\n"
Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def board(make_cell: Any) -> Leaderboard:
    cells = [
        make_cell("good", seed=0, raw=0.4),
        make_cell("good", seed=1, raw=0.5),
        make_cell("doubtful", raw=0.3, suspected=["hosted_models"]),
        make_cell("cheat", raw=0.9, status="base_fallback"),
        make_cell("broken", raw=None, status="infrastructure_error", reasons=["The engine failed."]),
    ]
    return leaderboard(cells, baselines_of(cells))


def evil(make_cell: Any) -> Leaderboard:
    cells = [make_cell(EVIL, raw=0.4, benchmark="b_|1", run="r")]
    return leaderboard(cells, baselines_of(cells))


def test_csv_has_the_values_of_the_json_form(board: Leaderboard) -> None:
    rows = {row["agent"]: row for row in csv.DictReader(io.StringIO(as_csv(board)))}
    assert list(rows) == ["good", "doubtful", "cheat", "broken", "instruct", "base"]
    for row in board.rows:
        written = rows[row.agent]
        for name in ("rank", "overall", "overall_raw", "overall_std", "overall_confirmed"):
            value = getattr(row, name)
            assert written[name] == ("" if value is None else str(value))
        assert written["b_raw"] == ("" if (raw := row.benchmarks["b"].raw_score) is None else str(raw))
        assert (int(written["seeds_counted"]), int(written["seeds"])) == (row.runs, row.seeds)
        assert (int(written["reset_runs"]), int(written["suspected_runs"])) == (row.reset_cells, row.suspected_cells)
    assert (rows["cheat"]["b"], rows["cheat"]["b_raw"]) == ("0.1", "0.9")
    assert rows["broken"]["overall"] == ""
    assert (rows["base"]["kind"], rows["base"]["overall"], rows["instruct"]["b"]) == ("baseline", "0.1", "0.6")


def test_markdown_has_signs_and_their_explanations(board: Leaderboard) -> None:
    lines = as_markdown(board).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len({line.count("|") for line in table}) == 1
    assert "| doubtful | 30.0? |" in table[3]
    assert table[4].endswith(r"| 10.0\* (90.0) |")
    notes = "\n".join(line for line in lines if line.startswith("* "))
    for part in (r"\* includes runs reset", "? includes suspected runs", "broken: 0 of 1 seed counted"):
        assert part in notes


def test_latex_is_a_table_for_booktabs(board: Leaderboard) -> None:
    text = as_latex(board)
    body = text[text.index(r"\toprule") :]
    assert text.count(r"\begin{tabular}{lrrrrrrr}") == text.count(r"\end{tabular}") == 1
    rows = [line for line in body.splitlines() if line.endswith(r" \\")]
    assert {line.count(" & ") for line in rows} == {7}
    assert rows[0].startswith(r"agent & overall & 95\% interval & rank")
    assert [row.split(" & ")[0] for row in rows[1:]] == ["good", "doubtful", "cheat", "broken", "instruct", "base"]
    assert "% * includes runs reset to the base score" in text


def test_hostile_names_stay_text(make_cell: Any) -> None:
    hostile = evil(make_cell)
    row = list(csv.reader(io.StringIO(as_csv(hostile))))[1]
    assert row[1].startswith("'=cmd|")
    markdown = next(line for line in as_markdown(hostile).splitlines() if "cmd" in line)
    header = as_markdown(hostile).splitlines()[0]
    assert markdown.replace(r"\|", "").count("|") == header.replace(r"\|", "").count("|") == 9
    for raw in ("<script>", "[a](", " _x_"):
        assert raw not in markdown
    latex = next(line for line in as_latex(hostile).splitlines() if line.endswith("\\\\") and "cmd" in line)
    for escaped in (r"50\%", r"\$x\$", r"\textbackslash{}input\{x\}", r"\#1", r" \& ", r"\_x\_"):
        assert escaped in latex
    for text in (as_csv(hostile), as_markdown(hostile), as_latex(hostile)):
        assert not set(text) & {"\x1b", "\u202e"}


def test_the_command_prints_only_the_chosen_form(make_cell: Any, tmp_path: Path, ptb_here: Ptb) -> None:
    for cell in (make_cell("one", raw=0.4), make_cell("two", raw=0.5)):
        write_run(cell, tmp_path)
    starts = {"csv": "kind,agent,", "markdown": "| agent |", "latex": "% needs", "table": "Leaderboard", "json": "{"}
    for form, start in starts.items():
        said = ptb_here("leaderboard", tmp_path, "--format", form)
        assert said.returncode == 0, said.stderr
        assert said.stdout.lstrip().startswith(start)
        assert ("Next:" in said.stdout) == (form == "table")
    assert json.loads(said.stdout) == json.loads(ptb_here("leaderboard", tmp_path, "--json").stdout)
    assert_refused(ptb_here("leaderboard", tmp_path, "--format", "csv", "--json"), "not both")
    assert_refused(ptb_here("leaderboard", tmp_path, "--format", "csv", "--html", "x.html"), "not both")
    assert_refused(ptb_here("leaderboard", tmp_path, "--format", "excel"), "excel")


def test_trivial_answers_are_the_last_row_of_every_form(make_cell: Any) -> None:
    cells = [make_cell("good")]
    known = leaderboard(cells, baselines_of(cells), {"b": {TrivialAnswer.EMPTY: 0.25}})
    unknown = leaderboard(cells, baselines_of(cells))
    assert as_csv(known).splitlines()[-1].startswith("baseline,trivial,,,,0.25,")
    assert "| trivial | 25.0 |" in as_markdown(known)
    assert "trivial & 25.0 &" in as_latex(known)
    assert "Trivial answers" in render_site(known, cells)
    console = Console(file=io.StringIO(), width=160)
    console.print(leaderboard_table(known), soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    lines = [line.split() for line in console.file.getvalue().splitlines() if line.strip().startswith("trivial ")]
    assert lines == [["trivial", "25.0"], ["trivial", "25.0"]]  # the ranking, and the table by benchmark
    for form in (as_csv, as_markdown, as_latex):
        assert "trivial" not in form(unknown)
    assert "Trivial answers" not in render_site(unknown, cells)

"""Paths are never broken, whatever the width; everything else fits it."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console, RenderableType
from rich.text import Text

from posttrainbench.cli.evaluations import _print_scores
from posttrainbench.records import Metrics, Quote
from posttrainbench.report.layout import Paragraph, columns
from posttrainbench.report.tables import quotations, result_table

PATH = "/data/" + "/".join(["a-long-name-of-a-directory"] * 6)


def piped(*parts: RenderableType, width: int = 80) -> str:
    """Return what a command prints into a pipe."""
    console = Console(file=io.StringIO(), width=width)
    for part in parts:
        console.print(part, soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [30, 80, 300])
def test_paragraph(width: int) -> None:
    text = f"The file {PATH}/x.py:7 was changed after the agent had ended, and 日本語 too."
    printed = piped(Paragraph(Text(text), 6, Text("fact")), width=width)
    lines = printed.splitlines()
    assert lines[0].startswith("fact  The file")
    assert all(line.startswith("      ") for line in lines[1:])
    assert " ".join(printed.split()) == f"fact {text}"
    assert all(len(line) <= width for line in lines if PATH not in line)
    assert (len(lines) == 1) == (width == 300)


def test_columns() -> None:
    assert [line.plain for line in columns([["a", "10", PATH], ["bcd", "7", "x"]], right=(1,))] == [
        f"a    10  {PATH}",
        "bcd   7  x",
    ]
    assert columns([]) == []


def test_result_with_long_paths(make_cell: Any) -> None:
    cell = make_cell()
    changed = {
        "reasons": [f"See {PATH}/reason for the reason."],
        "notes": [f"The note is in {PATH}/note, which is a file."],
        "evidence": [Quote(file=f"{PATH}/f", line=3, text="word " * 50, item="b/1", item_text="item " * 50)],
    }
    printed = piped(result_table(cell.result.model_copy(update=changed), cell.spec, Path(PATH, "my run")))
    for place in ("reason ", "note, ", "f:3 matches b/1\n", "my run\n"):
        assert f"{PATH}/{place}".rstrip(" ") in printed
    assert f"  Files: {PATH}/my run\n" in printed
    assert all(len(line) <= 80 for line in printed.splitlines() if PATH not in line)


def test_quotations_without_an_item() -> None:
    quotes = [Quote(file=PATH, line=None, text=f"text {number}", item="", item_text="") for number in range(3)]
    printed = piped(*quotations(quotes, 2, "result.json"))
    assert [line.strip() for line in printed.splitlines()] == [
        *(PATH, "text 0", PATH, "text 1", "and 1 more in result.json")
    ]


def test_a_checkpoint_with_a_long_path(capsys: pytest.CaptureFixture[str]) -> None:
    metrics = Metrics(
        benchmark="b", score=0.5, stderr=0.1, items={"b/1": 0.5}, seeds={"0": 0.5}, eval_config={}, seconds=1
    )
    _print_scores([(PATH, metrics)])
    assert f"  {PATH}\n" in capsys.readouterr().out

"""Fixtures for reports, with the runs of the scoring tests."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from posttrainbench.records import Quote, Result
from posttrainbench.scoring import Cell

sys.path.append(str(Path(__file__).parents[1] / "scoring"))

from scoring_runs import build_cell

HOSTILE = (
    "<script>alert('x')</script><img src=x onerror=alert(1)>\"'>{{ 7*7 }}{% raw %}[bold red]rich[/]"
    "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://evil\x1b\\link\x9b2J\x00\x08\r\n"
    "\u202etxet desrever\u202c\u2066\u200bzero\ufeff\U000e0041tag\ud800" + "z\u0301\u0302\u0303\u0304\u0305"
)


@pytest.fixture
def hostile() -> str:
    return HOSTILE


@pytest.fixture
def make_cell() -> Callable[..., Cell]:
    return build_cell


@pytest.fixture
def caught() -> Cell:
    """A flagged run, all of whose free texts are hostile."""
    cell = build_cell(agent=f"agent {HOSTILE}", model=f"model {HOSTILE}", status="base_fallback", raw=0.9)
    assert cell.result is not None
    quotation = Quote(file=HOSTILE, line=7, text=HOSTILE, item=HOSTILE, item_text=HOSTILE)
    result = Result.model_construct(
        **{
            **dict(cell.result),
            "verdict": {"contamination": "flagged", HOSTILE: "not_checked", "kit": "clean"},
            "reasons": [HOSTILE],
            "evidence": [quotation] * 6,
        }
    )
    return replace(cell, result=result)

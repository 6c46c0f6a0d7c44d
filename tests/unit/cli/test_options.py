import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.cli.options import parse_budget
from posttrainbench.errors import InputError

BUDGETS = {"30s": 30, "10m": 600, "1.5h": 5400, "10h": 36000, "90": 90, "0.5": 0.5, " 1m ": 60, "1h": 3600}
NO_BUDGETS = [
    *(
        "",
        "0",
        "0s",
        "0.0h",
        "-1",
        "-5m",
        "+5",
        "1d",
        "1 m",
        "m",
        "1m30s",
        "1e3",
        "nan",
        "inf",
        "infs",
        ".5",
        "5.",
        "1,5h",
    ),
    *("0x10", "1_000", "9" * 400, "ten", "10M", "30s\n5"),
]


@pytest.mark.parametrize(("text", "seconds"), BUDGETS.items())
def test_budget(text: str, seconds: float) -> None:
    assert parse_budget(text) == seconds


@pytest.mark.parametrize("text", NO_BUDGETS)
def test_no_budget(text: str) -> None:
    with pytest.raises(InputError, match="is no budget; write a time above zero such as 30s, 10m or 10h"):
        parse_budget(text)


@given(st.text())
def test_anything_is_a_budget_or_an_input_error(text: str) -> None:
    try:
        seconds = parse_budget(text)
    except InputError:
        return
    assert 0 < seconds < math.inf

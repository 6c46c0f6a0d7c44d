import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench.errors import InputError
from posttrainbench.records.units import parse_budget

BUDGETS = {"30s": 30, "10m": 600, "1.5h": 5400, "10h": 36000, "1s": 1, "720h": 2592000, " 1m ": 60, "1h": 3600}
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
    with pytest.raises(InputError, match="is not a valid time; use a value above zero such as 30s, 10m or 10h"):
        parse_budget(text)


@pytest.mark.parametrize("number", ["10", "90", "0.5", "36000"])
def test_budget_without_a_unit_is_a_question(number: str) -> None:
    with pytest.raises(InputError, match=f"has no unit; write {number}s, {number}m or {number}h"):
        parse_budget(number)


@pytest.mark.parametrize("text", ["0.01s", "0.9s", "721h", "100000h", "9999999s"])
def test_absurd_budget(text: str) -> None:
    with pytest.raises(InputError, match=f"A time limit of {text} is probably a mistake; use a value from 1s to 720h"):
        parse_budget(text)


@given(st.text())
def test_anything_is_a_budget_or_an_input_error(text: str) -> None:
    try:
        seconds = parse_budget(text)
    except InputError:
        return
    assert 1 <= seconds <= 30 * 24 * 3600

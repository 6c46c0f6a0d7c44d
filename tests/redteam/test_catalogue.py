"""Every known cheat, and all that only looks like one: see `catalogue` for the cases, `docs/red-team.md` for the table.

`pytest tests/redteam/test_catalogue.py -s` prints the table.
"""

from collections.abc import Iterator

import pytest
from catalogue.case import Case, Observed, problems
from catalogue.cases import CASES
from catalogue.desk import Desk
from catalogue.table import markdown, summary

pytest.importorskip("torch")
pytestmark = [pytest.mark.sandbox, pytest.mark.training]

PARAMETERS = [
    pytest.param(case, id=name, marks=[pytest.mark.xfail(strict=True, reason=case.fails)] if case.fails else [])
    for name, case in CASES.items()
]
ENTRIES = 42


@pytest.fixture(scope="session")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("catalogue"))


@pytest.fixture(scope="session")
def observed() -> Iterator[list[tuple[Case, Observed]]]:
    results: list[tuple[Case, Observed]] = []
    yield results
    print(f"\n{markdown(results)}\n\n{summary(results)}")


@pytest.mark.parametrize("case", PARAMETERS)
def test_case(case: Case, desk: Desk, observed: list[tuple[Case, Observed]]) -> None:
    seen = desk.observe(case)
    observed.append((case, seen))
    assert problems(case, seen) == [], (seen.status, seen.verdict, seen.said, seen.on(case.rule))


def test_every_entry_has_a_case() -> None:
    covered = {case.entry for case in CASES.values()}
    assert {str(number) for number in range(1, ENTRIES + 1)} <= covered

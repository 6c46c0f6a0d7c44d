"""Every known cheat and its innocent look-alikes: `catalogue` has the cases, `docs/red-team.md` the table.

`pytest tests/redteam/test_catalogue.py -s` prints the table. Real runs are executed one after the other in this thread,
while synthetic run directories are audited in another.
"""

from collections.abc import Iterator
from concurrent.futures import Future

import pytest
from catalogue.case import Case, Observed, problems
from catalogue.cases import CASES
from catalogue.desk import Desk, opened
from catalogue.table import markdown, summary

from support import side_by_side

pytest.importorskip("torch")
pytestmark = [pytest.mark.sandbox, pytest.mark.training]

PARAMETERS = [
    pytest.param(case, id=case.name, marks=[pytest.mark.xfail(strict=True, reason=case.fails)] if case.fails else [])
    for case in sorted(CASES.values(), key=lambda case: not case.is_run)
]
ENTRIES = 42


@pytest.fixture(scope="module")  # what it patches must be as it was for the next module
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with opened(tmp_path_factory.mktemp("catalogue")) as desk:
        yield desk


@pytest.fixture(scope="module")
def made(desk: Desk, request: pytest.FixtureRequest) -> Iterator[dict[str, Future[Observed]]]:
    """Futures of the selected cases that are not real runs."""
    from transformers import AutoConfig, AutoModelForCausalLM  # noqa: F401 - imported by two threads at once, it may fail

    chosen = [item.callspec.params["case"] for item in request.session.items if hasattr(item, "callspec")
              and isinstance(item.callspec.params.get("case"), Case)]  # fmt: skip
    with side_by_side(1) as pool:
        yield {case.name: pool.submit(desk.observe, case) for case in chosen if not case.is_run}


@pytest.fixture(scope="module")
def observed() -> Iterator[dict[str, Observed]]:
    results: dict[str, Observed] = {}
    yield results
    pairs = [(case, results[name]) for name, case in CASES.items() if name in results]
    print(f"\n{markdown(pairs)}\n\n{summary(pairs)}")


@pytest.mark.parametrize("case", PARAMETERS)
def test_case(case: Case, desk: Desk, made: dict[str, Future[Observed]], observed: dict[str, Observed]) -> None:
    seen = desk.observe(case) if case.is_run else made[case.name].result()
    observed[case.name] = seen
    assert problems(case, seen) == [], (seen.status, seen.verdict, seen.messages, seen.on(case.rule))


def test_every_entry_has_a_case() -> None:
    covered = {case.entry for case in CASES.values()}
    assert {str(number) for number in range(1, ENTRIES + 1)} <= covered

"""The real agent CLIs, at pinned versions, with a model provider that fails: none of their ends becomes a score."""

from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from fake_models import clis
from fake_models.scenario import Fail, Say, Scenario, Shell
from fake_models.server import KEY, fake_models
from posttrainbench.agents import load_scaffold
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.records import Result, Stage, Status
from posttrainbench.run import Run
from posttrainbench.run.why_ended import classify, is_good, scaffold_clients
from posttrainbench.sandbox.process import Process
from posttrainbench.usage.calls import ModelCall, read_calls
from support import journal_entries, make_run, settle, side_by_side

pytestmark = [pytest.mark.sandbox, pytest.mark.training]

BUDGET = 40.0
FAILURES: dict[str, Scenario] = {
    "429 from the start": [Fail(429, "Rate limit reached")],
    "500 in the middle": [Say("I look.", calls=(Shell("ls"),)), Fail(500, "Internal server error")],
}
AGENTS = {
    "claude-code/anthropic/claude-opus-4-5": ("", "claude"),
    "codex/openai/gpt-5.1-codex-max": ("/v1", "codex"),
    "gemini-cli/google/gemini-2.5-pro": ("", "gemini"),
    "opencode/zai/glm-5": ("/v1", "opencode"),
    "react/zai/glm-5": ("/v1", ""),
}
CASES = [(agent, failure) for agent in AGENTS for failure in FAILURES]


class Ended(NamedTuple):
    run: Run
    result: Result
    calls: list[ModelCall]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[tuple[str, str], "Future[Ended]"]]:
    """Every run that the chosen tests need, under way."""
    try:
        programs = clis.install()
    except clis.CannotInstallError as error:
        pytest.skip(str(error))
    root = tmp_path_factory.mktemp("runs")
    items = [item for item in request.session.items if item.fspath == Path(__file__)]
    chosen = {item.callspec.params["case"] for item in items if hasattr(item, "callspec")}

    def carry_out(number: int, case: tuple[str, str], url: str) -> Ended:
        agent, _ = case
        base, program = AGENTS[agent]
        settings = f"base_url={url}{base}" + (f"&path={programs}/{program}" if program else "")
        run = make_run(root / str(number), f"{agent}?{settings}", budget=BUDGET)
        result = settle(run)
        return Ended(run, result, list(read_calls(run.root / "solve.partial" / "usage.jsonl")))

    with pytest.MonkeyPatch.context() as patch, side_by_side(5) as pool, ExitStack() as stack:
        for provider in PROVIDERS.values():
            patch.setenv(provider.key_variable, KEY)
        futures = {}
        for number, case in enumerate(CASES):
            if case in chosen:
                fake = stack.enter_context(fake_models({"": FAILURES[case[1]]}))
                futures[case] = pool.submit(carry_out, number, case, fake.url)
        yield futures


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0].partition('/')[0]} {case[1]}")
def test_a_failed_provider_is_not_a_score(case: tuple[str, str], runs: dict[tuple[str, str], "Future[Ended]"]) -> None:
    run, result, calls = runs[case].result()
    assert result.status is Status.INFRASTRUCTURE_ERROR, result.reasons
    failed = [entry for entry in journal_entries(run, Stage.SOLVE) if entry.event == "failed"]
    assert [entry.cause for entry in failed] == ["provider_failed"], failed
    begun = case[1] == "500 in the middle"
    assert any(map(is_good, calls)) == begun
    # All of these calls are the scaffold's own: they have the name that it declares.
    agent = run.spec.agent
    clients = load_scaffold(agent.scaffold).launch(agent, Process()).clients
    assert all(call.client.startswith(clients) for call in calls)
    kinds = {classify(call, scaffold_clients(calls, clients)) for call in calls}
    assert "failed" in kinds
    assert ("good" in kinds) == begun

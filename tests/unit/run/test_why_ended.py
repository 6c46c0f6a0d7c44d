"""Whose fault an end is: of the provider, of the machine, or the agent's own."""

from collections.abc import Sequence
from types import SimpleNamespace

import pytest

from posttrainbench.agents import load_scaffold
from posttrainbench.catalog import agent_spec
from posttrainbench.records import AgentEnd
from posttrainbench.run.errors import POLICIES
from posttrainbench.run.why_ended import Ending, good_calls, provider_away, scaffold_clients, why_ended
from posttrainbench.sandbox.process import Process
from posttrainbench.usage.calls import CLIENT_CLOSED, WITHHELD, ModelCall

GOOD = ModelCall(
    time=100.0,
    provider="p",
    model="m",
    endpoint="chat",
    seconds=1,
    status=200,
    streamed=True,
    output=5,
    client="claude-cli/2.1.197 (external, cli)",
    tools=12,
)
BUDGET = 1000.0
ENDED = 1100.0
ENDS = (AgentEnd.EXITED, AgentEnd.CRASHED, AgentEnd.DEADLINE)


def call(time: float, **changed: object) -> ModelCall:
    return GOOD.model_copy(update={"time": time, **changed})


def failed(status: int, error: str, **changed: object) -> dict[str, object]:
    return {"status": status, "error": error, "output": 0, **changed}


FAILURES: dict[str, dict[str, object]] = {
    "429": failed(429, "rate_limit_error: slow down"),
    "529": failed(529, "overloaded_error: Overloaded"),
    "500": failed(500, "api_error: Internal server error"),
    "402": failed(402, "insufficient_quota: You exceeded your current quota"),
    "401": failed(401, "authentication_error: invalid x-api-key"),
    "no credit, status 400": failed(400, "invalid_request_error: Your credit balance is too low to access the API."),
    "cut stream": {"error": "the provider cut the answer off (ClientPayloadError)", "output": 3},
    "stream without its last event": {"error": "the stream ended without its last event", "output": 3},
    "overloaded stream": {"error": "overloaded_error: Overloaded", "output": 3},
    "empty choices": {"error": "the response is empty", "output": 0},
    "no tokens": {"output": 0},
    "half a JSON": {"error": "the response is not valid JSON", "output": 0},
    "unreachable": failed(502, "no connection to api.example.org:443 (Connection refused)"),
}

OWN: dict[str, dict[str, object]] = {
    "bad request": failed(400, "invalid_request_error: messages: text content blocks must be non-empty"),
    "bad request that quotes a provider's failure": failed(
        400, "invalid_request_error: messages.0.role: 'Your credit balance is too low, billing' is not a role"
    ),
    "unknown path": failed(404, "not_found_error: no such model"),
    "too large": failed(413, "request_too_large: Request exceeds the maximum size"),
    "not acceptable": failed(406, "not_acceptable: image/png"),
    "unprocessable": failed(422, "temperature: out of range"),
    "cancelled stream": {"error": CLIENT_CLOSED, "output": 3},
    "cancelled before the first byte": failed(499, CLIENT_CLOSED),
    "blocked by the provider's filters": {"error": WITHHELD, "output": 0},
    "own token budget": failed(429, "This run's budget for models (10 tokens) is used up", refused=True),
    "model that is not allowed": failed(403, "The model 'x' is not allowed in this run", refused=True),
    "wrong token": failed(401, "The token of this run is missing or wrong.", refused=True, endpoint=""),
    "unbilled endpoint": failed(529, "Overloaded", endpoint="count_tokens"),
    "other program": failed(429, "rate_limit_error: slow down", client="curl/8.5.0"),
    "other program's cut stream": {"error": "the provider cut the answer off", "client": "OpenAI/Python 2.1.0"},
    "program without a name": failed(529, "Overloaded", client=""),
}


def judge(
    calls: Sequence[ModelCall],
    end: AgentEnd = AgentEnd.EXITED,
    share: float = 0.1,
    output: str = "",
    clients: tuple[str, ...] = (),
) -> Ending:
    return why_ended(*(calls, end), ended=ENDED, budget=BUDGET, max_provider_away=share, clients=clients, output=output)


def away(calls: Sequence[ModelCall]) -> float:
    return provider_away(calls, scaffold_clients(calls), ENDED)


@pytest.mark.parametrize("end", [*ENDS, AgentEnd.LIMIT])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_provider_that_fails_from_the_start_is_at_fault(failure: str, end: AgentEnd) -> None:
    ending = judge([call(100.0 + number, **FAILURES[failure]) for number in range(3)], end)
    assert ending.cause == "provider_failed"
    assert "The model's provider failed: " in ending.text
    assert "None of 3 model calls succeeded." in ending.text


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_provider_that_fails_in_the_middle_and_until_the_end_is_at_fault(failure: str, end: AgentEnd) -> None:
    ending = judge([call(100.0), call(500.0), call(600.0, **FAILURES[failure])], end)
    assert ending.cause == "provider_failed"
    assert ending.provider_away == 500.0


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_provider_that_comes_back_soon_is_not_at_fault(failure: str, end: AgentEnd) -> None:
    ending = judge([call(100.0), call(600.0, **FAILURES[failure]), call(630.0)], end)
    assert ending == Ending(provider_away=30.0)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("own", OWN)
def test_an_agent_cannot_make_its_end_the_providers_fault(own: str, end: AgentEnd) -> None:
    """One such call at the end, and one every minute for most of the budget."""
    assert judge([call(100.0), call(600.0, **OWN[own])], end) == Ending()
    assert judge([call(100.0), *(call(60.0 * n, **OWN[own]) for n in range(2, 18))], end) == Ending()


@pytest.mark.parametrize("own", OWN)
def test_an_agents_own_failures_do_not_hide_the_providers(own: str) -> None:
    ending = judge([call(100.0), call(600.0, **FAILURES["529"]), call(601.0, **OWN[own])])
    expected = "" if own == "own token budget" else "provider_failed"
    assert ending.cause == expected


def test_a_good_call_of_another_program_does_not_end_an_outage() -> None:
    other = call(700.0, client="curl/8.5.0")
    assert judge([call(100.0), call(600.0, **FAILURES["529"]), other]).cause == "provider_failed"


RECORDED = {
    "claude-code": "claude-cli/2.1.197 (external, sdk-cli)",
    "codex": "codex_exec/0.169.0 (Debian 12.0.0; x86_64) dumb (codex_exec; 0.169.0)",
    "gemini-cli": "GeminiCLI-tui/0.61.0/gemini-2.5-pro (linux; x64; terminal)",
    "opencode": "opencode/1.18.33 ai-sdk/provider-utils/4.0.23 runtime/bun/1.3.14",
    "react": "ptb-react/1",
}
"""The user agents that the real scaffolds sent."""
AGENTS = {
    **{"claude-code": "claude-code/anthropic/m", "codex": "codex/openai/m", "gemini-cli": "gemini-cli/google/m"},
    **{"opencode": "opencode/zai/m", "react": "react/zai/m"},
}
OTHERS = (
    *("", "curl/8.5.0", "python-requests/2.32", "OpenAI/Python 2.1.0", "codex/1", "GeminiCLI2/1", "x claude-cli/2"),
    *("ai-sdk/openai/2.0", "my-opencode/1"),
)


def declared(scaffold: str) -> tuple[str, ...]:
    return load_scaffold(scaffold).launch(agent_spec(AGENTS[scaffold]), Process()).clients


@pytest.mark.parametrize("scaffold", RECORDED)
def test_every_scaffold_declares_the_user_agent_that_it_sends(scaffold: str, monkeypatch: pytest.MonkeyPatch) -> None:
    program = SimpleNamespace(argv=lambda sandbox: ["program"], mounts=list, version="1")
    monkeypatch.setattr("posttrainbench.agents.model_agent.find_program", lambda *_: program)
    clients = declared(scaffold)
    assert clients
    own = call(300.0, client=RECORDED[scaffold])
    for other in OTHERS:
        # A cut answer on which the agent acted precedes the first good one, so by time alone `other` is the scaffold.
        cut = call(100.0, client=own.client, **FAILURES["cut stream"])
        calls = [cut, call(200.0, client=other), own]
        assert good_calls(calls, scaffold_clients(calls, clients)) == [own], other
    assert not any(other.startswith(clients) for other in OTHERS)


CLIENTS = ("claude-cli/",)
CURL = "curl/8.5.0"


@pytest.mark.parametrize("end", ENDS)
def test_a_good_call_of_another_program_is_not_the_scaffolds_answer(end: AgentEnd) -> None:
    """The agent acted on the beginning of a cut answer. Its good call does not hide the failure of the provider."""
    calls = [call(100.0, **FAILURES["cut stream"]), call(200.0, client=CURL), call(300.0, **FAILURES["529"])]
    ending = judge(calls, end, clients=CLIENTS)
    assert ending.cause == "provider_failed"
    assert ending.text.endswith("HTTP 529, overloaded_error: Overloaded. None of 2 model calls succeeded.")


@pytest.mark.parametrize("end", ENDS)
def test_a_program_that_failed_before_the_first_good_call_is_not_the_scaffold(end: AgentEnd) -> None:
    other = {**FAILURES["500"], "client": CURL}
    calls = [call(100.0, **FAILURES["cut stream"]), call(110.0, **other), call(120.0), call(500.0, **other)]
    assert judge(calls, end, clients=CLIENTS) == Ending(provider_away=20.0)


def test_a_version_with_another_name_is_still_the_scaffold() -> None:
    """Missing evidence: the declared name does not occur. The first calls tell the name, and a later one does not."""
    renamed = [call(100.0, client="claude/3.0"), call(600.0, client="claude/3.0", **FAILURES["529"])]
    assert judge(renamed, clients=CLIENTS).cause == "provider_failed"
    forged = [*renamed, call(610.0)]
    assert judge(forged, clients=CLIENTS).cause == "provider_failed"


@pytest.mark.parametrize("own", OWN)
def test_a_forged_user_agent_does_not_make_a_bad_call_the_providers_fault(own: str) -> None:
    """All of these are calls under the scaffold's own name, so a program of the agent may have sent them."""
    calls = [call(100.0), *(call(60.0 * n, **OWN[own]) for n in range(2, 18))]
    assert judge(calls, clients=CLIENTS) == Ending()


@pytest.mark.parametrize("end", ENDS)
def test_no_answer_is_never_a_score_whatever_the_reason(end: AgentEnd) -> None:
    for own in OWN.values():
        assert judge([call(100.0, **own)], end).cause != ""
    assert judge([], end).cause == "agent_not_started"


def test_an_agent_that_does_not_start_is_quoted() -> None:
    ending = judge([], AgentEnd.CRASHED, output="\n".join(["x" * 1000, "Error: unknown option '--output-format'"]))
    assert ending.cause == "agent_not_started"
    assert ending.text.startswith("The agent did not start: it made no model call. Its last output: ...x")
    assert ending.text.endswith("x Error: unknown option '--output-format'")
    assert len(ending.text) < 500
    refused = judge([call(100.0, **OWN["model that is not allowed"])])
    assert refused.text == (
        "The agent did not start: the gateway refused its calls: HTTP 403, The model 'x' is not allowed in this run. "
        "It printed nothing."
    )


def test_a_provider_that_hangs_is_at_fault() -> None:
    ending = judge([call(100.0, **OWN["cancelled before the first byte"])], AgentEnd.DEADLINE)
    assert ending.cause == "provider_failed"
    assert "no answer before the agent ended" in ending.text


@pytest.mark.parametrize("end", [*ENDS, AgentEnd.LIMIT])
def test_a_long_outage_does_not_count_and_a_short_one_is_measured(end: AgentEnd) -> None:
    def outage(seconds: float) -> list[ModelCall]:
        return [call(100.0), call(200.0, **FAILURES["529"]), call(200.0 + seconds / 2, **FAILURES["500"])]

    assert judge([*outage(100.0), call(300.0)], end) == Ending(provider_away=100.0)
    ending = judge([*outage(101.0), call(301.0)], end)
    assert (ending.cause, ending.provider_away) == ("provider_failed", 101.0)
    assert "was unavailable for 1 minute 41 seconds of 16 minutes 40 seconds, more than the 10%" in ending.text
    assert judge([*outage(101.0), call(301.0)], end, share=0.2) == Ending(provider_away=101.0)


def test_a_failure_just_before_the_deadline_is_measured_only() -> None:
    calls = [call(100.0), call(1095.0, **FAILURES["429"])]
    assert judge(calls, AgentEnd.DEADLINE) == Ending(provider_away=5.0)
    assert judge(calls, AgentEnd.EXITED).cause == "provider_failed"


def test_outages_add_up() -> None:
    failure = FAILURES["529"]
    calls = [call(100.0), call(200.0, **failure), call(210.0), call(300.0, **failure), call(320.0), call(330.0)]
    assert away(calls) == 30.0


def test_side_calls_do_not_measure_an_outage() -> None:
    """A title fails while the agent waits for its own long command."""
    calls = [call(100.0), call(101.0, tools=0, **FAILURES["529"]), call(900.0)]
    assert away(calls) == 0.0
    without_tools = [each.model_copy(update={"tools": 0}) for each in calls]
    assert away(without_tools) == 799.0


def test_a_good_call_that_began_before_a_failure_and_ended_after_it_ends_the_outage() -> None:
    assert away([call(100.0), call(300.0, **FAILURES["429"]), call(250.0, seconds=90.0)]) == 0.0


def test_the_agents_token_budget_ends_an_outage() -> None:
    calls = [call(100.0), call(200.0, **FAILURES["529"]), call(220.0, **OWN["own token budget"])]
    assert away(calls) == 20.0


def test_every_cause_is_in_the_table() -> None:
    for cause in ("provider_failed", "agent_not_started"):
        assert POLICIES[cause].effect == "exclude"


LIMITED = failed(429, "rate_limit_error: slow down")


@pytest.mark.parametrize("client", [GOOD.client, "python-requests/2.32"])
@pytest.mark.parametrize("end", ENDS)
def test_an_agent_that_floods_its_provider_is_at_fault_itself(client: str, end: AgentEnd) -> None:
    flood = [call(1000.0 + number / 10, client=client) for number in range(150)]
    limited = [call(1016.0 + number, **LIMITED) for number in range(50)]
    assert judge([call(100.0), *flood, *limited], end) == Ending()


@pytest.mark.parametrize("end", ENDS)
def test_a_provider_that_limits_a_busy_agent_is_at_fault(end: AgentEnd) -> None:
    """Ten subagents make a call every seven seconds, and scaffolds try failed calls again without a pause."""
    busy = [call(900.0 + number * 0.7) for number in range(120)]
    limited = [call(990.0 + number / 50, **LIMITED) for number in range(1000)]
    assert judge([call(100.0), *busy, *limited], end).cause == "provider_failed"


def test_a_limit_long_after_a_flood_is_the_providers() -> None:
    flood = [call(200.0 + number / 10) for number in range(150)]
    assert judge([call(100.0), *flood, call(400.0, **LIMITED)]).cause == "provider_failed"


def test_a_flood_excuses_no_other_failure() -> None:
    flood = [call(1000.0 + number / 10) for number in range(150)]
    assert judge([call(100.0), *flood, call(1016.0, **FAILURES["500"])]).cause == "provider_failed"


@pytest.mark.parametrize("kind", ["bad request", "cancelled stream", "cancelled before the first byte"])
def test_a_flood_of_useless_calls_counts_too(kind: str) -> None:
    flood = [call(1000.0 + number / 10, **{"client": "curl/8.5.0", **OWN[kind]}) for number in range(150)]
    assert judge([call(100.0), *flood, call(1016.0, **LIMITED)]) == Ending()


def test_a_flood_excuses_no_lack_of_credit() -> None:
    flood = [call(1000.0 + number / 10) for number in range(150)]
    no_credit = failed(429, "insufficient_quota: You exceeded your current quota")
    assert judge([call(100.0), *flood, call(1016.0, **no_credit)]).cause == "provider_failed"

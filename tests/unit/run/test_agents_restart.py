"""Tests of the decision to restart an agent that has exited."""

from dataclasses import replace

import pytest

from posttrainbench.run.restart import BACKOFF_SECONDS, MAX_IDLE_REPROMPTS, ExitInfo, Restart, next_restart
from posttrainbench.usage.calls import CLIENT_CLOSED, ModelCall

GOOD = ModelCall(time=0, provider="p", model="m", endpoint="chat", seconds=1, status=200, streamed=True, output=1)
CUT = GOOD.model_copy(update={"error": "the provider cut the answer off (ClientPayloadError)"})
LIMITED = GOOD.model_copy(update={"status": 429, "error": "slow down"})
OVERLOADED = GOOD.model_copy(update={"status": 529, "error": "Overloaded"})
WRONG_KEY = GOOD.model_copy(update={"status": 401, "error": "invalid x-api-key"})
BAD_REQUEST = GOOD.model_copy(update={"status": 400, "error": "prompt is too long"})
NO_MONEY = GOOD.model_copy(update={"status": 400, "error": "Your credit balance is too low"})
NO_QUOTA = GOOD.model_copy(update={"status": 429, "error": "You exceeded your current quota"})
SPENT = GOOD.model_copy(update={"status": 429, "refused": True, "error": "This run's budget is used up"})
REFUSED = GOOD.model_copy(update={"status": 403, "refused": True, "error": "The model 'x' is not allowed"})
COUNTED = GOOD.model_copy(update={"endpoint": "count_tokens", "status": 404, "error": "no such path"})
GAVE_UP = GOOD.model_copy(update={"error": CLIENT_CLOSED})

END = ExitInfo(calls=[GOOD], earlier=[], failures=0, idle_reprompts=0, seconds_left=3600.0, reprompt=None)
"""A good end with an hour left."""


def test_an_agent_that_ends_well_has_ended() -> None:
    assert next_restart(END) is None


def test_time_left_is_to_be_used() -> None:
    assert next_restart(replace(END, reprompt=1800.0)) == Restart("time_left")
    assert next_restart(replace(END, reprompt=3600.0)) is None


def test_no_agent_is_asked_again_that_did_nothing_since_it_was_asked() -> None:
    assert next_restart(replace(END, calls=[], earlier=[GOOD], reprompt=1.0)) is None
    assert next_restart(replace(END, calls=[REFUSED], earlier=[GOOD], reprompt=1.0)) is None


def test_an_agent_that_only_answers_is_not_asked_for_ever() -> None:
    assert next_restart(replace(END, idle_reprompts=MAX_IDLE_REPROMPTS - 1, reprompt=1.0)) == Restart("time_left")
    assert next_restart(replace(END, idle_reprompts=MAX_IDLE_REPROMPTS, reprompt=1.0)) is None


def test_a_used_up_budget_is_an_end() -> None:
    assert next_restart(replace(END, calls=[GOOD, SPENT], reprompt=1.0)) is None


@pytest.mark.parametrize("failed", [CUT, LIMITED, OVERLOADED])
def test_a_session_is_resumed_when_the_provider_fails(failed: ModelCall) -> None:
    after_work = next_restart(replace(END, calls=[GOOD, failed]))
    assert after_work == Restart("provider_failed", fresh=False, wait=BACKOFF_SECONDS[0])
    at_once = next_restart(replace(END, calls=[failed]))
    assert at_once == Restart("provider_failed", fresh=True, wait=BACKOFF_SECONDS[0])
    silently = next_restart(replace(END, calls=[failed], earlier=[GOOD]))
    assert silently == Restart("provider_failed", fresh=False, wait=BACKOFF_SECONDS[0])


def test_a_failure_that_the_agent_outlived_does_not_matter() -> None:
    assert next_restart(replace(END, calls=[LIMITED, GOOD])) is None
    assert next_restart(replace(END, calls=[CUT, GOOD])) is None


def test_a_failure_at_the_end_matters_whatever_the_exit_code() -> None:
    assert next_restart(replace(END, calls=[GOOD, OVERLOADED])) == Restart("provider_failed", wait=BACKOFF_SECONDS[0])


def test_abandoned_and_unbilled_calls_are_no_failures() -> None:
    assert next_restart(replace(END, calls=[GOOD, GAVE_UP])) is None
    assert next_restart(replace(END, calls=[GOOD, COUNTED])) is None


def test_calls_of_other_programs_are_ignored() -> None:
    own = GOOD.model_copy(update={"client": "claude-cli/2.1"})
    other = OVERLOADED.model_copy(update={"client": "curl/8.5"})
    assert next_restart(replace(END, calls=[own, other])) is None
    assert next_restart(replace(END, calls=[other], earlier=[own])) is None
    same = OVERLOADED.model_copy(update={"client": "claude-cli/2.1"})
    assert next_restart(replace(END, calls=[same, other], earlier=[own])) == Restart("provider_failed", wait=1.0)


def test_answers_of_other_programs_are_not_work() -> None:
    own = GOOD.model_copy(update={"client": "claude-cli/2.1"})
    other = GOOD.model_copy(update={"client": "curl/8.5"})
    asked = replace(END, earlier=[own], reprompt=1.0, clients=("claude-cli/",))
    assert next_restart(replace(asked, calls=[other])) is None
    assert next_restart(replace(asked, calls=[own])) == Restart("time_left")
    failed = OVERLOADED.model_copy(update={"client": "claude-cli/2.1"})
    gave_up = replace(asked, calls=[other, failed], failures=len(BACKOFF_SECONDS))
    assert next_restart(gave_up) is None


def test_waits_grow_and_end() -> None:
    for failures, wait in enumerate(BACKOFF_SECONDS):
        again = next_restart(replace(END, calls=[OVERLOADED], earlier=[GOOD], failures=failures))
        assert again == Restart("provider_failed", wait=wait)
    assert next_restart(replace(END, calls=[OVERLOADED], earlier=[GOOD], failures=len(BACKOFF_SECONDS))) is None
    success_between = replace(END, calls=[GOOD, OVERLOADED], failures=len(BACKOFF_SECONDS))
    assert next_restart(success_between) == Restart("provider_failed", wait=BACKOFF_SECONDS[0])


@pytest.mark.parametrize("failed", [WRONG_KEY, NO_MONEY, NO_QUOTA])
@pytest.mark.parametrize("earlier", [[GOOD], []])
def test_a_permanent_failure_is_not_retried(failed: ModelCall, earlier: list[ModelCall]) -> None:
    assert next_restart(replace(END, calls=[failed], earlier=earlier, reprompt=1.0)) is None


@pytest.mark.parametrize("calls", [[GOOD, BAD_REQUEST], [BAD_REQUEST]])
def test_an_invalid_request_is_not_retried(calls: list[ModelCall]) -> None:
    assert next_restart(replace(END, calls=calls)) is None

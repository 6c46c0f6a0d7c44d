"""Whether an agent that has ended is started again."""

from dataclasses import replace

import pytest

from posttrainbench.errors import InfrastructureError
from posttrainbench.gateway.calls import ModelCall
from posttrainbench.run.restart import IDLE, WAITS, Ended, Restart, restart

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
GAVE_UP = GOOD.model_copy(update={"error": "the agent left"})

END = Ended(exit_code=0, calls=[GOOD], worked_before=False, failures=0, asked=0, left=3600.0, reprompt=None)
"""A good end with an hour left."""


def test_an_agent_that_ends_well_has_ended() -> None:
    assert restart(END) is None


@pytest.mark.parametrize("code", [0, 1])
def test_time_left_is_to_be_used(code: int) -> None:
    assert restart(replace(END, exit_code=code, reprompt=1800.0)) == Restart("time_left")
    assert restart(replace(END, exit_code=code, reprompt=3600.0)) is None


def test_no_agent_is_asked_again_that_did_nothing_since_it_was_asked() -> None:
    assert restart(replace(END, calls=[], worked_before=True, reprompt=1.0)) is None
    assert restart(replace(END, calls=[REFUSED], worked_before=True, reprompt=1.0)) is None


def test_an_agent_that_only_answers_is_not_asked_for_ever() -> None:
    assert restart(replace(END, asked=IDLE - 1, reprompt=1.0)) == Restart("time_left")
    assert restart(replace(END, asked=IDLE, reprompt=1.0)) is None


def test_a_used_up_budget_is_an_end() -> None:
    assert restart(replace(END, exit_code=1, calls=[GOOD, SPENT], reprompt=1.0)) is None


@pytest.mark.parametrize("failed", [CUT, LIMITED, OVERLOADED])
def test_a_session_is_resumed_when_the_provider_fails(failed: ModelCall) -> None:
    after_work = restart(replace(END, exit_code=1, calls=[GOOD, failed]))
    assert after_work == Restart("provider_failed", fresh=False, wait=WAITS[0])
    at_once = restart(replace(END, exit_code=1, calls=[failed]))
    assert at_once == Restart("provider_failed", fresh=True, wait=WAITS[0])
    silently = restart(replace(END, calls=[failed], worked_before=True))
    assert silently == Restart("provider_failed", fresh=False, wait=WAITS[0])


def test_a_failure_that_the_agent_outlived_does_not_matter() -> None:
    assert restart(replace(END, calls=[LIMITED, GOOD])) is None
    assert restart(replace(END, exit_code=1, calls=[CUT, GOOD])) is None
    assert restart(replace(END, calls=[GOOD, OVERLOADED])) is None  # of a side question: it ended well


def test_what_the_agent_gave_up_or_was_free_is_no_failure() -> None:
    assert restart(replace(END, exit_code=1, calls=[GOOD, GAVE_UP])) is None
    assert restart(replace(END, exit_code=1, calls=[GOOD, COUNTED])) is None


def test_waits_grow_and_end() -> None:
    for failures, wait in enumerate(WAITS):
        again = restart(replace(END, exit_code=1, calls=[OVERLOADED], worked_before=True, failures=failures))
        assert again == Restart("provider_failed", wait=wait)
    with pytest.raises(InfrastructureError, match="HTTP 529, Overloaded") as failed:
        restart(replace(END, exit_code=1, calls=[OVERLOADED], worked_before=True, failures=len(WAITS)))
    assert failed.value.cause == "provider_failed"
    success_between = replace(END, exit_code=1, calls=[GOOD, OVERLOADED], failures=len(WAITS))
    assert restart(success_between) == Restart("provider_failed", wait=WAITS[0])


@pytest.mark.parametrize("failed", [WRONG_KEY, NO_MONEY, NO_QUOTA])
@pytest.mark.parametrize("worked_before", [True, False])
def test_what_no_other_try_mends_is_the_machines_trouble(failed: ModelCall, worked_before: bool) -> None:
    with pytest.raises(InfrastructureError, match="The model's provider failed: HTTP 4"):
        restart(replace(END, exit_code=1, calls=[failed], worked_before=worked_before))


def test_a_request_that_is_at_fault_is_the_agents_doing_unless_none_ever_passed() -> None:
    assert restart(replace(END, exit_code=1, calls=[GOOD, BAD_REQUEST])) is None
    assert restart(replace(END, exit_code=1, calls=[BAD_REQUEST], worked_before=True)) is None
    with pytest.raises(InfrastructureError, match="prompt is too long"):
        restart(replace(END, exit_code=1, calls=[BAD_REQUEST]))

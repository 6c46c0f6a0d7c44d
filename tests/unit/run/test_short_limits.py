"""A hint in the result of a run whose short time limit ended before its agent had saved anything good."""

from typing import Any

import pytest

from posttrainbench.records import AgentEnd, Outcome, RunSpec, SubmissionManifest
from posttrainbench.run import Run
from posttrainbench.run.settle import _too_short
from trajectory_recordings import make_recorded_run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> RunSpec:
    return Run(make_recorded_run(tmp_path_factory.mktemp("short") / "run", [])).spec


def hint(
    recorded: RunSpec,
    end: AgentEnd,
    state: Any = "accepted",
    raw: float | None = 0.1,
    budget: float = 20.0,
    seconds: float = 20.0,
) -> str:
    outcome = Outcome(
        end=end, exit_code=0, seconds=seconds, output_bytes=0, output_dropped=0, network="none", isolation="namespaces"
    )
    manifest = SubmissionManifest(state=state, files={}, refused=[], problems=[], facts=[])
    spec = recorded.model_copy(update={"budget": budget})
    return " ".join(_too_short(spec, outcome, manifest, None if state != "accepted" else raw, 0.1))


@pytest.mark.parametrize("state", ["missing", "broken"])
def test_an_agent_that_had_no_time_to_save(state: str, recorded: RunSpec) -> None:
    text = hint(recorded, AgentEnd.DEADLINE, state)
    assert text.startswith("The agent used up its time limit of 20 seconds, and it had saved no complete model.")
    assert text.endswith("start a new run with a longer --budget, such as 1 minute.")
    assert hint(recorded, AgentEnd.EXITED, state, seconds=19.0) == text


def test_a_model_that_was_saved_too_early(recorded: RunSpec) -> None:
    assert "is not better than the base model" in hint(recorded, AgentEnd.DEADLINE)
    assert hint(recorded, AgentEnd.DEADLINE, budget=90.0).endswith("such as 3 minutes.")


def test_other_ends_have_no_hint(recorded: RunSpec) -> None:
    assert hint(recorded, AgentEnd.DEADLINE, raw=0.2) == ""
    assert hint(recorded, AgentEnd.DEADLINE, "refused") == ""
    assert hint(recorded, AgentEnd.EXITED, "missing", seconds=5.0) == ""
    assert hint(recorded, AgentEnd.DEADLINE, "missing", budget=36_000.0, seconds=36_000.0) == ""

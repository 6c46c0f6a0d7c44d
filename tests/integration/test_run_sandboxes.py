"""A run's agent in every backend that isolates, with its limits; attempts to get out are listed for each."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from container_engines import ISOLATING, backend
from posttrainbench.cli.sandbox import app
from posttrainbench.records import AgentEnd, Outcome, RunLimits, Stage
from posttrainbench.run.prepare import RunRequest, create_run
from posttrainbench.sandbox.provenance.launch import recording_available
from support import agent, printed, settle

WORK = """
final.mkdir()
(final / "note").write_text("x")
there = [path.name for path in pathlib.Path().glob("[!.]*")]
print(os.getcwd(), there, float(open(os.environ["PTB_DEADLINE"]).read()) > 0)
"""


@pytest.mark.parametrize("name", ISOLATING)
def test_an_agent_works_within_its_limits(name: str, solving_only: None, tmp_path: Path) -> None:
    backend(name)
    limits = RunLimits(memory=2**30, processes=200, cpus=2, disk=2**30)
    request = RunRequest(agent(tmp_path, WORK), "micro-base", "micro-math", budget=60, sandbox=name, limits=limits)
    run = create_run(request, tmp_path / "run")
    settle(run)
    assert printed(run) == ["/workspace ['final_model'] True"]
    outcome = Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
    assert (outcome.end, outcome.isolation, outcome.limit) == (AgentEnd.EXITED, "namespaces", None)
    if recording_available(backend(name)).works:
        assert (outcome.provenance, outcome.provenance_note) == ("recorded", "")
    assert set(outcome.enforcement) == {"memory", "processes", "cpus", "disk"}
    assert (run.stage(Stage.SOLVE) / "final_model" / "note").read_text() == "x"


@pytest.mark.parametrize("name", ISOLATING)
def test_every_attempt_to_get_out_is_listed_and_prevented(name: str) -> None:
    backend(name)
    said = CliRunner().invoke(app, ["check", name, "--json"])
    tried = json.loads(said.stdout)
    assert len(tried) >= 60
    names = {one["name"] for one in tried}
    assert {"connect to another run's socket", "connect to the host's loopback"} <= names
    open_ones = [one["name"] for one in tried if not one["held"] and " more than " not in one["name"]]
    assert open_ones == [], "isolation does not hold; of the limits, the machine decides"

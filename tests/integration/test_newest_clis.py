"""The newest published version of each agent CLI works, where it is not the pinned one.

A failure is reported (`xfail`) and fails nothing: a new version that needs a change here must not stop other work.
`PTB_TEST_ALL=1` runs these tests.
"""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fake_models import clis
from fake_models.scenario import Say, Scenario, Shell
from fake_models.server import KEY, fake_models
from posttrainbench.agents import load_scaffold
from posttrainbench.agents.model_agent import CommandLineAgent
from posttrainbench.agents.programs import install_program
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.records import AgentEnd, Outcome
from support import ALL, make_run, settle

pytestmark = [pytest.mark.sandbox, pytest.mark.training, pytest.mark.usefixtures("solving_only")]

AGENTS = {
    "claude-code/anthropic/claude-opus-4-5": "",
    "codex/openai/gpt-5.1-codex-max": "/v1",
    "gemini-cli/google/gemini-2.5-pro": "",
    "opencode/zai/glm-5": "/v1",
}
"""Agent -> path of its provider's API."""
BUDGET = 90.0
VIEW_SECONDS = 60
SCENARIO: Scenario = [Say("I write.", calls=(Shell("echo written-by-agent | tee note.txt"),)), Say("All done.")]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return a directory for the runs. CLIs are installed where they outlive the session; providers have keys."""
    if not ALL:
        pytest.skip("PTB_TEST_ALL=1 tries the newest versions")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(clis.CACHE.with_name("test-newest-clis")))
        for provider in PROVIDERS.values():
            patch.setenv(provider.key_variable, KEY)
        yield tmp_path_factory.mktemp("runs")


def newest(package: str) -> str:
    """Return the newest published version of an npm package; skip the test if npm does not know."""
    try:
        said = subprocess.run(
            ["npm", "view", package, "version"], capture_output=True, text=True, timeout=VIEW_SECONDS, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        pytest.skip(f"npm does not tell the newest version of {package}: {error}")
    return said.stdout.strip()


@pytest.mark.xfail(strict=False, reason="the newest version needs a change, or the next pin")
@pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.partition("/")[0])
def test_the_newest_version_works(agent: str, root: Path) -> None:
    name = agent.partition("/")[0]
    scaffold = load_scaffold(name)
    assert isinstance(scaffold, CommandLineAgent)
    version = newest(scaffold.program.package)
    if version == scaffold.program.version:
        pytest.skip(f"the newest {name} is the pinned one, {version}, which other tests use")
    try:
        install_program(scaffold.program, version)
    except (InputError, InfrastructureError) as error:
        pytest.skip(str(error))
    with fake_models({"": SCENARIO}) as fake:
        settings = f"version={version}&reprompt=10&base_url={fake.url}{AGENTS[agent]}"
        run = make_run(root / name, f"{agent}?{settings}", budget=BUDGET)
        settle(run)
    outcome = Outcome.model_validate_json((run.root / "solve" / "outcome.json").read_text())
    assert (outcome.end, outcome.exit_code) == (AgentEnd.EXITED, 0)
    assert (run.workspace / "note.txt").read_text() == "written-by-agent\n"
    assert outcome.trajectory_warning == ""
    trajectory = json.loads((run.root / "solve" / "trajectory.json").read_text())
    said = json.dumps(trajectory["steps"])
    assert "I write." in said
    assert "All done." in said
    [result] = [result for step in trajectory["steps"] for result in (step.get("observation") or {}).get("results", [])]
    assert "written-by-agent" in json.dumps(result)

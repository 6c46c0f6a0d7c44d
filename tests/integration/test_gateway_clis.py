"""The real agent CLIs, at pinned versions, against a gateway in front of a local fake model.

Each run serves several tests: what the gateway saw and wrote down, and the trajectory that is made of what the CLI
printed. All runs are under way side by side.
"""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from fake_models import clis
from fake_models.clis import CLAUDE_CODE, CLIS, CODEX, GEMINI_CLI, OPENCODE, Cli
from fake_models.scenario import Call, Fail, Say, Scenario, Shell
from fake_models.server import KEY, FakeModels, Received, fake_models
from posttrainbench.agents import load_scaffold
from posttrainbench.audit.behavior.model_calls import attribute
from posttrainbench.audit.behavior.trace import read_trace
from posttrainbench.errors import InputError
from posttrainbench.gateway import Gateway, GatewayConfig, forwarder, start_gateway
from posttrainbench.sandbox import Mount
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.trajectory import Summary
from posttrainbench.usage.calls import ModelCall, read_calls
from support import side_by_side
from trajectory_recordings import converted

WRITE = Shell("echo hello > out.txt; seq 1 5")

SCENARIOS: dict[str, Scenario] = {
    "work": [
        Say("I will write.", calls=(WRITE,), reasoning="what to do", cached=40),
        Say("Both at once.", calls=(Shell("echo other"), Shell("ls nosuch; exit 3"))),
        Say("All done."),
    ],
    "limit": [
        Fail(429, "slow down", retry_after=1),
        Say("Both at once.", calls=(Shell("seq 1 20000"), Shell("echo other > other.txt"))),
        Say("All done."),
    ],
    # As the providers do: the stream goes on for a moment after the answer's last event.
    "cut": [
        Say("Words that break off somewhere. " * 4, ends="cut"),
        Say("Again.", calls=(WRITE,), linger=0.3),
        Say("Written.", linger=0.3),
    ],
    "delegate": [
        Say("Go.", calls=(Call("Task", {"description": "look", "prompt": "scenario:child", "subagent_type": "Plan"}),)),
        Say("All done."),
    ],
    "child": [Say("I look.", calls=(Shell("echo child"),)), Say("The report.")],
    "search": [Say("I search.", calls=(Call("WebSearch", {"query": "the answers"}),)), Say("All done.")],
}

PORT = 8787


@dataclass(frozen=True)
class Ran:
    """A CLI that has ended: what it left, what the gateway noted and the provider received, and its trajectory."""

    code: int
    said: str
    work: Path
    calls: list[ModelCall]
    received: list[Received]
    trajectory: dict[str, Any]
    summary: Summary

    def results(self) -> list[str]:
        return results(self.trajectory)


Runs = dict[tuple[str, Cli], "Future[Ran]"]

every_cli = pytest.mark.parametrize("cli", CLIS, ids=lambda cli: cli.name)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    """Every run, under way."""
    try:
        programs = clis.install()
    except clis.CannotInstallError as error:
        pytest.skip(str(error))
    with side_by_side(5) as pool, ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY"):
            patch.setenv(name, KEY)
        fake = stack.enter_context(fake_models(SCENARIOS))
        chosen = [("limit", cli, {}) for cli in (GEMINI_CLI, OPENCODE, CODEX, CLAUDE_CODE)]
        chosen += [("cut", cli, {}) for cli in (OPENCODE, GEMINI_CLI, CODEX, CLAUDE_CODE)]
        # OpenCode alone tries again when a budget is used up: six times in over a minute.
        chosen += [("budget", cli, {"max_tokens": 10}) for cli in (GEMINI_CLI, CODEX, CLAUDE_CODE)]
        chosen += [("delegate", CLAUDE_CODE, {}), ("search", CLAUDE_CODE, {})]
        yield {
            (kind, cli): pool.submit(run, cli, kind, fake, programs, tmp_path_factory.mktemp(kind), more)
            for kind, cli, more in chosen
        } | {
            ("work", cli): pool.submit(run, cli, "work", fake, programs, tmp_path_factory.mktemp("work"), {})
            for cli in CLIS
            if _has_sandbox()
        }


def _has_sandbox() -> bool:
    try:
        Bubblewrap().check()
    except InputError:
        return False
    return True


def run(cli: Cli, kind: str, fake: FakeModels, programs: Path, folder: Path, settings: dict[str, Any]) -> Ran:
    """Run a CLI: `work` in a sandbox without network, the others on the host, through a port."""
    scenario = "work" if kind == "budget" else kind
    conversation = f"{scenario}/{cli.name.replace('-', '_')}_{kind}"
    base = f"{fake.url}/v1" if cli.protocol == "openai" else fake.url
    config = GatewayConfig(
        protocol=cli.protocol, models=[cli.model], base_url=base, loopback=kind != "work", **settings
    )
    prompt = f"scenario:{conversation} Please work."
    with start_gateway(config, folder) as gateway:
        start = _run_in_sandbox if kind == "work" else _run
        code, printed, errors = start(cli, programs, gateway, folder, prompt)
    assert KEY not in printed + errors
    lines = [("stderr", line) for line in errors.splitlines()]
    made, summary = converted(folder, cli.name, [*printed.split("\n"), *lines])
    received = [asked for asked in fake.received if conversation in repr(asked.body)]
    return Ran(code, printed + errors, folder / "work", list(read_calls(gateway.usage)), received, made, summary)


def _run(cli: Cli, programs: Path, gateway: Gateway, folder: Path, prompt: str) -> tuple[int, str, str]:
    """Output goes to files: Gemini CLI ends without waiting for what a pipe has not taken yet."""
    assert gateway.address is not None
    printed, errors, work = folder / "printed", folder / "errors", folder / "work"
    work.mkdir()
    with printed.open("wb") as stdout, errors.open("wb") as stderr:
        done = subprocess.run(
            clis.command(cli, programs),
            input=prompt.encode(),
            stdout=stdout,
            stderr=stderr,
            cwd=work,
            env=clis.environment(cli, gateway.address, gateway.token, folder / "home"),
            timeout=clis.RUN_SECONDS,
        )
    return done.returncode, printed.read_text(), errors.read_text()


def _run_in_sandbox(cli: Cli, programs: Path, gateway: Gateway, folder: Path, prompt: str) -> tuple[int, str, str]:
    mounts = [
        Mount("place", folder / "work", writable=True),
        Mount("clis", clis.CACHE),
        Mount("gateway.sock", gateway.socket),
        Mount("forwarder.py", Path(forwarder.__file__)),
    ]
    work = mounts[0].source
    settings = clis.environment(cli, f"http://127.0.0.1:{PORT}", gateway.token, work / "home")
    settings = {name: value.replace(str(work), "/place") for name, value in settings.items()}
    inside = Path("/clis", programs.relative_to(clis.CACHE))
    forward = [sys.executable, "/forwarder.py", "copy", str(PORT), "/gateway.sock", "--"]
    process = Bubblewrap().start([*forward, *clis.command(cli, inside)], mounts, settings, "/place")
    try:
        output, errors = process.popen.communicate(prompt.encode(), timeout=clis.RUN_SECONDS)
    finally:
        process.kill(0)
    return process.popen.returncode, output.decode(), errors.decode()


def results(made: dict[str, Any]) -> list[str]:
    return [
        result["content"]
        for step in made["steps"]
        for result in step.get("observation", {"results": []})["results"]
        if result["source_call_id"]
    ]


@pytest.mark.sandbox
@every_cli
def test_commands_are_run_in_a_sandbox_without_network(cli: Cli, runs: Runs) -> None:
    ran = runs["work", cli].result()
    assert ran.code == 0, ran.said
    assert (ran.work / "out.txt").read_text() == "hello\n"
    assert {line.status for line in ran.calls} == {200}
    assert [line.error for line in ran.calls if line.error] == []
    assert ran.received


@pytest.mark.sandbox
@every_cli
def test_its_output_becomes_a_trajectory(cli: Cli, runs: Runs) -> None:
    ran = runs["work", cli].result()
    assert (ran.summary.unknown, ran.summary.tool_calls, ran.summary.usage_complete) == ({}, 3, True)
    words = " ".join(step["message"] for step in ran.trajectory["steps"])
    for said in ("I will write.", "Both at once.", "All done."):
        assert said in words
    found = ran.results()
    assert sum("1\n2\n3\n4\n5" in result for result in found) == 1
    assert sum("cannot access" in result for result in found) == 1
    assert len(found) == 3
    assert ran.summary.usage.prompt is not None
    assert ran.summary.usage.prompt > 1000
    assert ran.summary.usage.completion
    assert ran.summary.usage.cached == 40


@pytest.mark.sandbox
@every_cli
def test_its_calls_can_be_told_from_a_scripts(cli: Cli, runs: Runs) -> None:
    """The main loop's calls have one client, one system prompt and the same tools, none of them the provider's own."""
    ran = runs["work", cli].result()
    main = [line for line in ran.calls if line.tools]
    assert len(main) == 3
    assert len({(line.client, line.system_sha256, line.tools) for line in main}) == 1
    assert cli.version in main[0].client
    assert main[0].tools >= 8
    assert main[0].system_sha256 is not None
    replies = [line.replies or 0 for line in main]
    assert (replies[0], len(set(replies))) == (0, 3)
    assert {tuple(line.provider_tools) for line in ran.calls} == {()}


@pytest.mark.parametrize(
    ("kind", "cli"), [*(("limit", cli) for cli in CLIS), ("delegate", CLAUDE_CODE)], ids=lambda part: str(part)[:9]
)
def test_its_calls_are_attributed(kind: str, cli: Cli, runs: Runs) -> None:
    """The scaffold's own work explains all calls of one session, and not those of thirty sessions."""
    ran = runs[kind, cli].result()
    trace = read_trace(ran.work.parent / "trajectory.json")
    clients = load_scaffold(cli.name).clients  # type: ignore[attr-defined]
    once, often = attribute(ran.calls, clients, trace, 1), attribute(ran.calls * 30, clients, trace, 1)
    assert (once.total, once.other.answered) == (len(ran.calls), 0)
    assert [excess.number for excess in once.excess] == [0] * len(once.excess)
    assert max(excess.number for excess in often.excess if excess.certain) > 20


@every_cli
def test_a_rate_limit_is_outlived_and_parallel_calls_are_made(cli: Cli, runs: Runs) -> None:
    ran = runs["limit", cli].result()
    assert ran.code == 0, ran.said
    assert (ran.work / "other.txt").read_text() == "other\n"
    assert [line.status for line in ran.calls].count(429) == 1
    assert ran.calls[-1].status == 200
    assert (ran.summary.unknown, ran.summary.tool_calls) == ({}, 2)
    assert max(map(len, ran.results())) > 1000


@every_cli
def test_a_cut_stream_is_seen_as_one(cli: Cli, runs: Runs) -> None:
    ran = runs["cut", cli].result()
    [error] = [line.error for line in ran.calls if line.error is not None]
    assert "the provider cut the answer off" in error
    if cli is GEMINI_CLI:  # gives up, and says so
        assert ran.code == 1
        assert '"status":"error"' in ran.said
    else:
        assert ran.code == 0, ran.said
        assert (ran.work / "out.txt").exists()


@pytest.mark.parametrize("cli", [cli for cli in CLIS if cli is not OPENCODE], ids=lambda cli: cli.name)
def test_nobody_tries_again_when_the_budget_is_used_up(cli: Cli, runs: Runs) -> None:
    ran = runs["budget", cli].result()
    assert ran.code != 0
    assert (ran.work / "out.txt").exists()  # by the one call within the budget
    assert [(line.status, line.refused) for line in ran.calls] == [(200, False), (429, True)]


def test_a_subagent_of_claude_code_has_a_trajectory(runs: Runs) -> None:
    ran = runs["delegate", CLAUDE_CODE].result()
    assert (ran.summary.unknown, ran.summary.subagents, ran.summary.tool_calls) == ({}, 1, 2)
    [sub] = ran.trajectory["subagent_trajectories"]
    assert results(sub) == ["child"]
    assert "The report." in ran.results()[0]


def test_a_search_by_the_provider_is_refused(runs: Runs) -> None:
    """Claude Code asks for it in a request of its own; the agent is told why, and goes on."""
    ran = runs["search", CLAUDE_CODE].result()
    assert ran.code == 0, ran.said
    [refused] = [line for line in ran.calls if line.refused]
    assert (refused.status, refused.provider_tools) == (400, ["web_search_20250305"])
    assert [asked for asked in ran.received if "web_search_2025" in repr(asked.body.get("tools"))] == []
    [told] = ran.results()
    assert "network is closed" in told


def test_the_forwarder_says_when_its_port_is_taken(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ways = ["copy", str(taken.getsockname()[1]), str(tmp_path / "socket")]
        done = subprocess.run(
            [sys.executable, forwarder.__file__, *ways, "--", "echo", "ran"],
            capture_output=True,
            text=True,
            env={"PATH": os.environ["PATH"]},
        )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "cannot listen on port" in done.stderr

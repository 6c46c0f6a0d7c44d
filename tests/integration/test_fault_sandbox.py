"""Sandboxes, gateways and supervisors that are killed, and agents that use more than they may."""

import os
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from fake_models.scenario import Say, Scenario, Shell
from fake_models.server import KEY, fake_models
from posttrainbench.errors import InputError
from posttrainbench.records import AgentEnd, Outcome, RunLimits, Stage, Status
from posttrainbench.redaction import Redactor
from posttrainbench.run import Run, pipeline
from posttrainbench.run.attempts import count_restarts, start_over
from posttrainbench.run.prepare import RunRequest, create_run
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.recorder import Recorder
from posttrainbench.run.solve_supervisor import is_resumable
from posttrainbench.run.status import agent_state, agent_summary
from posttrainbench.sandbox import Limits
from posttrainbench.sandbox.cgroup import create_cgroup
from support import agent, eventually, journal_entries, make_run, marked, printed, settle, solve_process

pytestmark = [pytest.mark.sandbox, pytest.mark.usefixtures("solving_only")]

MEBI = 2**20


class KillingWatch(ProgressListener):
    """Kills a process of the run as soon as the agent prints `up`, the first times."""

    def __init__(self, run: Run, choose: Callable[[psutil.Process], psutil.Process], times: int = 1) -> None:
        self.run = run
        self.choose = choose
        self.left_to_kill = times

    def on_agent_output(self, line: str) -> None:
        if line == "up" and self.left_to_kill:
            self.left_to_kill -= 1
            self.choose(solve_process(self.run.root)).kill()


def the_solve_process(process: psutil.Process) -> psutil.Process:
    return process


def the_supervisor(process: psutil.Process) -> psutil.Process:
    return next(each for each in process.children() if "posttrainbench.sandbox.supervisor" in each.cmdline())


def bubblewrap(process: psutil.Process) -> psutil.Process:
    return the_supervisor(process).children()[0]


def the_recorder(process: psutil.Process) -> psutil.Process:
    return next(each for each in process.children() if "posttrainbench.sandbox.provenance" in each.cmdline())


def the_gateway(process: psutil.Process) -> psutil.Process:
    return next(each for each in process.children() if "posttrainbench.gateway.server" in each.cmdline())


def told(run: Run) -> list[tuple[str, str | None]]:
    return [(entry.event, entry.cause) for entry in journal_entries(run, Stage.SOLVE)]


def outcome(run: Run) -> Outcome:
    return Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())


@pytest.mark.parametrize(
    ("victim", "cause"),
    [
        (the_solve_process, "solve_killed"),
        (the_supervisor, "sandbox_failed"),
        (bubblewrap, "sandbox_failed"),
        (the_recorder, "recorder_failed"),
    ],
)
def test_what_is_killed_is_no_failure_of_the_agents(
    victim: Callable[[psutil.Process], psutil.Process], cause: str, tmp_path: Path
) -> None:
    marker = f"victim-{tmp_path.name}"
    run = make_run(tmp_path / "run", agent(tmp_path, "print('up')\ntime.sleep(600)", marker), budget=600)
    failed = pipeline.advance(run, KillingWatch(run, victim))
    assert (failed.status, failed.restarts) == (Status.INFRASTRUCTURE_ERROR, 0)
    assert told(run) == [("start", None), ("failed", cause)]
    eventually(lambda: not marked(marker))
    assert not is_resumable(run.root / "solve.partial")

    agent(tmp_path, "print('second')", marker)
    with pytest.raises(InputError, match="has already worked"):
        settle(run)
    start_over(run)
    settle(run)
    assert count_restarts(run) == 1
    assert printed(run) == ["second"]
    assert told(run)[-3:] == [("again", None), ("start", None), ("done", None)]


def test_a_gateway_that_is_killed_is_no_failure_of_the_agents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZAI_API_KEY", KEY)
    scenario: Scenario = [Say("I wait.", calls=(Shell("sleep 4"),)), Say("Done.")]
    with fake_models({"": scenario}) as fake:
        run = make_run(tmp_path / "run", f"react/zai/glm-5?base_url={fake.url}/v1", budget=600)
        failed = pipeline.advance(run, KillingGateway(run))
        assert failed.status is Status.INFRASTRUCTURE_ERROR
        assert told(run) == [("start", None), ("failed", "gateway_failed")]  # not retried: its model had answered
        start_over(run)
        settle(run)
    assert count_restarts(run) == 1
    assert told(run)[-1] == ("done", None)


class KillingGateway(ProgressListener):
    """Kills the first gateway when its agent has made a model call."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.killed = False

    def on_time_left(self, seconds: float) -> None:
        if not self.killed and (self.run.root / "solve.partial" / "usage.jsonl").stat().st_size:
            self.killed = True
            the_gateway(solve_process(self.run.root)).kill()


def limited(tmp_path: Path, source: str, **limits: int) -> Run:
    request = RunRequest(agent(tmp_path, source), "micro-base", "micro-math", budget=60, limits=RunLimits(**limits))
    return create_run(request, tmp_path / "run")


def test_a_full_workspace_ends_the_agent_with_its_cause(tmp_path: Path) -> None:
    source = "with open('big', 'wb') as file:\n    while True: file.write(os.urandom(2**20)); file.flush()"
    run = limited(tmp_path, source, disk=100 * MEBI)
    settle(run)
    assert (outcome(run).end, outcome(run).limit) == (AgentEnd.LIMIT, "disk-full")
    assert agent_state(run) == "disk-full"
    assert agent_summary(run).startswith("The agent was stopped because it exceeded a limit (disk-full)")


def test_an_agent_killed_for_its_memory_has_that_cause(tmp_path: Path) -> None:
    run = limited(tmp_path, "held = []\nwhile True: held.append(bytearray(2**24))", memory=300 * MEBI)
    settle(run)
    if outcome(run).enforcement["memory"] != "cgroup":
        pytest.skip("no control group for memory can be made here, and each process meets a limit of its own")
    assert (outcome(run).end, outcome(run).limit) == (AgentEnd.LIMIT, "oom-killed")


def test_a_fork_bomb_ends_with_the_agent_and_is_told(tmp_path: Path) -> None:
    group, held = create_cgroup(Limits(processes=100))
    group.remove()
    if "processes" not in held and os.geteuid() == 0:
        pytest.skip("no control group for processes can be made here, and of root's the kernel limits none")
    marker = f"bomb-{tmp_path.name}"
    bomb = (
        "def burst():\n"
        "    while True:\n"
        "        try: os.fork()\n"
        "        except OSError: time.sleep(0.01)\n"
        "if os.fork() == 0: burst()\n"
        "time.sleep(3)\nprint('still here')"
    )
    request = RunRequest(
        agent(tmp_path, bomb, marker), "micro-base", "micro-math", budget=60, limits=RunLimits(processes=100)
    )
    run = create_run(request, tmp_path / "run")
    settle(run)
    assert marked(marker) == []
    assert printed(run) == ["still here"]
    if outcome(run).enforcement["processes"] == "cgroup":
        assert outcome(run).limit == "pids-limit"
        assert agent_summary(run).startswith("The agent exited after reaching a limit (pids-limit)")


def test_a_disk_of_the_hosts_that_is_full_is_no_failure_of_the_agents(
    tmp_path: Path, solve_here: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorders: list[Recorder] = []

    def on_full_disk(path: Path, *rest: object) -> Recorder:
        recorders.append(Recorder(Path("/dev/full"), *rest))  # type: ignore[arg-type]
        return recorders[-1]

    monkeypatch.setattr("posttrainbench.run.solve.Recorder", on_full_disk)
    marker = f"full-{tmp_path.name}"
    run = make_run(tmp_path / "run", agent(tmp_path, "print('up')\ntime.sleep(600)", marker), budget=600)
    with pytest.raises(InputError, match="is full; free some space and run `ptb resume"):
        settle(run)
    assert marked(marker) == []


def test_a_recorder_reads_on_where_nothing_can_be_written(tmp_path: Path) -> None:
    read, write = os.pipe()
    recorder = Recorder(Path("/dev/full"), ProgressListener(), Redactor(), 2**20)
    with os.fdopen(read, "rb") as stream, os.fdopen(write, "wb") as writer:
        recorder.follow(stream, "stdout")
        writer.write(b"x" * 300_000 + b"\n")
        writer.write(b"y\n" * 100_000)
        writer.flush()
        writer.close()
        recorder.join()
    with pytest.raises(OSError, match="No space left"):
        recorder.check()


def test_no_signal_of_a_terminal_reaches_what_looks_after_an_agent(tmp_path: Path) -> None:
    sessions: list[int] = []

    class Look(ProgressListener):
        def on_agent_output(self, line: str) -> None:
            process = solve_process(run.root)
            sessions.extend(os.getsid(each.pid) for each in (process, *process.children()))

    run = make_run(tmp_path / "run", agent(tmp_path, "print('up')\ntime.sleep(1)"))
    pipeline.advance(run, Look())
    assert len(sessions) >= 2
    assert os.getsid(0) not in sessions

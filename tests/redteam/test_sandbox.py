"""Attempts to break out of a sandbox must fail, and everything that an agent needs for its work must succeed.

The attempts are those of `posttrainbench.sandbox.probe`, made on a run's own mounts, in every backend that isolates.
Those marked `outside` must succeed without a sandbox, which shows that they would tell of one that does not hold.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from container_engines import ISOLATING, backend
from posttrainbench.records import Outcome, Stage
from posttrainbench.run.prepare import run_mounts
from posttrainbench.sandbox import Mount, probe
from posttrainbench.sandbox.checks import CheckEnvironment, check_environment, run_probe
from posttrainbench.sandbox.host import python_binds
from posttrainbench.sandbox.process import Process
from posttrainbench.sandbox.supervisor import clock
from support import BACKGROUND, agent, assert_refused, eventually, make_run, marked, printed, ptb, settle

CANARY = "PTB_TEST_CANARY"
PYTHON = [str(path) for path in python_binds()]
READ_ONLY = ["/kit", "/kit/evaluate.py", "/models/micro-base", "/run/ptb/deadline", "/agent/script.py", *PYTHON]
OUTSIDE = ["another run's result", "another run", "the own run.json", "the list of users", "the run"]
NAMES = probe.Facts(
    secrets=dict.fromkeys(OUTSIDE, ""),
    sockets={"another run's socket": ""},
    read_only=READ_ONLY,
    writable=["/workspace", "/tmp", "/dev/shm"],
    addresses={"the host's loopback": ("", 0)},
    abstract="",
    pid=1,
    variable="",
    key="-",
    setuid="-" if os.geteuid() == 0 else "",
)
"""Facts with only the descriptions of the host objects."""

NEEDED = {
    "write to the workspace": "pathlib.Path('/workspace/mine').write_text('x')",
    "work in the workspace": "assert os.getcwd() == '/workspace'",
    "write to /tmp": "pathlib.Path('/tmp/mine').write_text('x')",
    "read the kit": "assert open('/kit/evaluate.py').read()",
    "read the models": "assert os.path.getsize('/models/micro-base/model.safetensors') > 1000",
    "read the deadline": "float(open('/run/ptb/deadline').read())",
    "see the variables that were given": "assert os.environ['GIVEN'] == 'a value, \"quoted\" #1'",
    "run programs of the system": "subprocess.run(['/bin/sh', '-c', 'true'], check=True)",
    "find the libraries of this Python": "import importlib.util; assert importlib.util.find_spec('numpy')",
    "talk over its own loopback": "one = socket.create_server(('127.0.0.1', 0)); "
    "socket.create_connection(one.getsockname())",
    "start a thread": "one = threading.Thread(target=print); one.start(); one.join()",
    "start a process": "subprocess.run([sys.executable, '-c', ''], check=True)",
    "share memory between processes": "from multiprocessing import shared_memory as s; "
    "one = s.SharedMemory(create=True, size=2**20); one.unlink()",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CheckEnvironment]:
    """Create a run's mounts and the host objects that its agent must not reach."""
    root = tmp_path_factory.mktemp("runs") / "run"
    other = root.with_name("other")
    for folder in ("workspace/.tmp", "workspace/.shm", "prepare/kit/data", "solve.partial"):
        (root / folder).mkdir(parents=True)
    other.mkdir()
    (root / "run.json").write_text("{}")
    (other / "result.json").write_text("{}")
    (root / "prepare" / "kit" / "evaluate.py").write_text("print()")
    (root / "solve.partial" / "deadline").write_text("1.0")
    script = root.with_name("script.py")
    script.write_text("")
    with ExitStack() as stack:
        stage = stack.enter_context(check_environment(Process()))
        setuid = stage.facts.setuid and Mount("setuid/id", Path(stage.facts.setuid))
        mounts = [*run_mounts(root, "micro-base").values(), Mount("agent/script.py", script)]
        facts = replace(
            NAMES,
            secrets=dict(
                zip(
                    OUTSIDE,
                    [f"{other}/result.json", str(other), f"{root}/run.json", "/etc/passwd", str(root)],
                    strict=True,
                )
            ),
            sockets=stage.facts.sockets,
            addresses={"the host's loopback": stage.facts.addresses["the host's loopback"]},
            abstract=stage.facts.abstract,
            pid=stage.facts.pid,
            variable=stage.facts.variable,
            key=stage.facts.key,
            setuid="/setuid/id" if setuid else "",
        )
        yield CheckEnvironment([*mounts, *([setuid] if setuid else [])], facts)


@pytest.fixture(scope="module", params=ISOLATING)
def said(request: pytest.FixtureRequest, place: CheckEnvironment) -> dict[str, str]:
    """Make all attempts in one backend and return their outcomes."""
    sandbox = backend(request.param)
    own(place)
    return run_probe(sandbox, place)


# The engines give every container a list of users of its own.
OWN_FILES = {"read the list of users", "read the list of users through a link"}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", [name for name in probe.all_attempts(NAMES) if name not in OWN_FILES])
def test_forbidden_attempt_fails(name: str, said: dict[str, str]) -> None:
    if name not in said:
        pytest.skip("this machine has nothing to try it on")
    assert said[name] != "done"
    assert not said[name].startswith(probe.BROKEN), said[name]


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ISOLATING)
def test_users_of_the_host_are_not_shown(name: str, place: CheckEnvironment) -> None:
    code = "import pathlib; one = pathlib.Path('/etc/passwd'); print(one.read_text() if one.exists() else '')"
    shown = run(name, code, place)
    everybody = Path("/etc/passwd").read_text().splitlines()
    assert len([line for line in everybody if line in shown]) <= 1  # podman makes a line for root


def test_same_attempts_succeed_without_a_sandbox(place: CheckEnvironment) -> None:
    with check_environment(Process()) as stage:
        facts = replace(place.facts, writable=stage.facts.writable)
        argv = [sys.executable, "-I", "-S", probe.__file__, json.dumps(asdict(facts)), "outside"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
    outside = json.loads(done.stdout)
    assert len(outside) >= 18
    assert {name: end for name, end in outside.items() if end != "done"} == {}


@pytest.mark.sandbox
@pytest.mark.parametrize("name", ISOLATING)
def test_needed_attempts_succeed(name: str, place: CheckEnvironment) -> None:
    program = "import json, os, pathlib, socket, subprocess, sys, threading\nsaid = {}\n"
    for title, code in NEEDED.items():
        program += f"try:\n    exec({code!r})\n    said[{title!r}] = 'done'\n"
        program += f"except BaseException as error:\n    said[{title!r}] = repr(error)\n"
    needed = json.loads(run(name, f"{program}print('\\n' + json.dumps(said))", place).splitlines()[-1])
    assert needed == dict.fromkeys(NEEDED, "done")


def own(place: CheckEnvironment) -> None:
    """Change the owner of the workspace back, which a container backend has given to its user."""
    workspace = place.mounts[0].source
    for path in [workspace, *workspace.rglob("*")]:
        os.chown(path, os.geteuid(), os.getegid(), follow_symlinks=False)


def run(name: str, code: str, place: CheckEnvironment) -> str:
    """Run code in a backend with a run's mounts and return its output."""
    environment = {"PATH": "/usr/bin:/bin", "GIVEN": 'a value, "quoted" #1'}
    sandbox = backend(name)
    own(place)
    process = sandbox.start([sys.executable, "-I", "-c", code], place.mounts, environment, "/workspace")
    out, errors = process.popen.communicate(timeout=60)
    process.kill(0)
    assert process.popen.returncode == 0, errors.decode()
    return out.decode()


TREE = """
import signal, sys, time
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # `nohup` has it ignored
from support import BACKGROUND
from container_engines import backend
from posttrainbench.sandbox.supervisor import clock
code = "import os, signal, subprocess, sys, time\\n" + BACKGROUND
code += f"background({sys.argv[2]!r}, ignore_terminate=True)\\nprint('up', flush=True)\\ntime.sleep(600)"
deadline = clock() + float(sys.argv[3]) if len(sys.argv) > 3 else None
argv = [sys.executable, "-I", "-c", code, sys.argv[2]]
process = backend(sys.argv[1]).start(argv, [], {"PATH": "/usr/bin:/bin"}, "/", deadline=deadline)
print(process.popen.stdout.readline().decode(), process.popen.pid, flush=True)
time.sleep(600)
"""


def orchestrator(sandbox: str, marker: str, *more: str) -> "subprocess.Popen[str]":
    """Start a process with a sandboxed tree that ignores SIGTERM; it prints `up` and the supervisor's pid."""
    backend(sandbox)  # an engine is started here, so that it does not end with the orchestrator
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    argv = [sys.executable, "-c", TREE, sandbox, marker, *more]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    assert len([one for one in marked(marker) if one.pid != process.pid]) >= 4
    return process


@pytest.mark.sandbox
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("sandbox", [*ISOLATING, "process"])
def test_tree_ends_with_its_orchestrator(sandbox: str, number: signal.Signals) -> None:
    marker = f"tree-{secrets.token_hex(8)}"
    process = orchestrator(sandbox, marker)
    process.send_signal(number)
    process.communicate()
    eventually(lambda: not marked(marker))


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", [*ISOLATING, "process"])
def test_tree_of_a_stopped_orchestrator_ends_at_the_deadline(sandbox: str) -> None:
    marker = f"tree-{secrets.token_hex(8)}"
    process = orchestrator(sandbox, marker, "10")
    process.send_signal(signal.SIGSTOP)
    try:
        eventually(lambda: marked(marker) == [one for one in marked(marker) if one.pid == process.pid])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", ISOLATING)
def test_tree_ends_at_the_deadline_though_its_supervisor_is_killed(sandbox: str) -> None:
    marker = f"tree-{secrets.token_hex(8)}"
    process = orchestrator(sandbox, marker, "10")
    assert process.stdout is not None
    os.kill(int(process.stdout.readline()), signal.SIGKILL)
    try:
        eventually(lambda: marked(marker) == [one for one in marked(marker) if one.pid == process.pid])
    finally:
        process.kill()
        process.communicate()


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", [*ISOLATING, "process"])
@pytest.mark.parametrize("grace", [0.0, 0.3])
@pytest.mark.parametrize("ends", ["by itself", "by the host", "at the deadline"])
def test_nothing_of_the_tree_is_left_when_it_has_ended(ends: str, grace: float, sandbox: str) -> None:
    marker = f"tree-{secrets.token_hex(8)}"
    code = f"import os, signal, subprocess, sys, time\n{BACKGROUND}\nbackground({marker!r}, ignore_terminate=True)\n"
    code += "print('up', flush=True)\n" + ("" if ends == "by itself" else "time.sleep(600)")
    process = backend(sandbox).start(
        [sys.executable, "-I", "-c", code, marker],
        [],
        {"PATH": "/usr/bin:/bin"},
        "/",
        deadline=clock() + 8 if ends == "at the deadline" else None,
    )
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == b"up\n"
    if ends != "by the host":
        process.popen.wait()
    process.kill(grace)
    assert marked(marker) == []
    report = process.report()
    assert report is not None
    assert report.ended_by == {"by itself": "itself", "by the host": "host", "at the deadline": "deadline"}[ends]


def test_process_backend_passes_no_variable_of_the_host_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CANARY, "secret")
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    process = Process().start([sys.executable, "-I", "-c", code], [], {"GIVEN": "value", "PATH": "/bin"}, "/")
    out, _ = process.popen.communicate(timeout=60)
    process.kill(0)
    assert CANARY in os.environ
    assert CANARY not in out.decode()
    assert '"GIVEN": "value"' in out.decode()


def test_run_without_isolation_only_when_asked_for(tmp_path: Path) -> None:
    words = ["run", "--agent", agent(tmp_path, ""), "--model", "micro-base", "--benchmark", "micro-math"]
    bare = os.environ | {"PATH": str(tmp_path)}
    assert_refused(ptb(*words, "--out", tmp_path / "run", env=bare), "--insecure-no-sandbox")
    assert not (tmp_path / "run").exists()


@pytest.mark.training
def test_run_without_isolation_is_reported(tmp_path: Path) -> None:
    source = f"print(os.environ.get({CANARY!r}))\nprint(task['workspace'])"
    run = make_run(tmp_path / "run", agent(tmp_path, source), sandbox="process")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CANARY, "secret")
        result = settle(run)
    outcome = Outcome.model_validate_json((run.stage(Stage.SOLVE) / "outcome.json").read_text())
    assert (outcome.isolation, outcome.network) == ("none", "host")
    assert printed(run) == ["None", str(run.workspace)]
    assert result.verdict["hosted_models"] == "not_checked"
    assert any("network was not restricted" in reason for reason in result.reasons)

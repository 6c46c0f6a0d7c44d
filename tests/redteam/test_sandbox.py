"""What an agent may try from inside its sandbox: each attempt must fail, and what it needs for its work must succeed.

A probe is a few lines of Python which raise when the sandbox holds. Those marked `outside` must succeed without a
sandbox, which shows that they would tell of a sandbox that does not hold.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from posttrainbench.records import Outcome, Stage
from posttrainbench.run.prepare import run_mounts
from posttrainbench.sandbox import Mount, Sandbox, load_sandbox
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.process import Process
from support import BACKGROUND, agent, assert_refused, eventually, make_run, marked, printed, ptb, settle

CANARY = "PTB_TEST_CANARY"

HELPERS = """
import ctypes, errno, os, pathlib, signal, socket, stat, subprocess, sys
libc = ctypes.CDLL(None, use_errno=True)
def ok(returned):
    if returned != 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
def status(field):
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    return next(line.split()[1] for line in lines if line.startswith(field + ":"))
def connect(address, family=socket.AF_INET):
    with socket.socket(family, socket.SOCK_STREAM) as one:
        one.settimeout(5)
        one.connect(address)
def environments():
    found = b""
    for folder in pathlib.Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                found += (folder / "environ").read_bytes()
            except OSError:
                continue
    return found
REMOUNT, BIND = 32, 4096
"""


@dataclass(frozen=True)
class Probe:
    """An attempt; `{names}` are filled in from `host_facts`.

    Attributes:
        outside: whether it succeeds for the user that runs the tests, without a sandbox.
    """

    code: str
    outside: bool = False


FORBIDDEN = {
    # the host's files
    "read a file of the host": Probe("open({secret!r}).read()", outside=True),
    "list another run": Probe("os.listdir({other_run!r})", outside=True),
    "read another run's result": Probe("open({other_run!r} + '/result.json').read()", outside=True),
    "read the own run's run.json": Probe("open({run!r} + '/run.json').read()", outside=True),
    "list files of the home": Probe("assert any(map(os.path.isfile, pathlib.Path({home!r}).iterdir()))"),
    "read password hashes": Probe("open('/etc/shadow').read()"),
    "read the list of users": Probe("open('/etc/passwd').read()", outside=True),
    "leave through /proc": Probe("open('/proc/1/root' + {secret!r}).read()"),
    "leave through a link": Probe("os.symlink({secret!r}, '/workspace/out'); open('/workspace/out').read()"),
    "make a hard link to the kit": Probe("os.link('/kit/evaluate.py', '/workspace/evaluate.py')"),
    "see a variable of the host": Probe("os.environ[{canary!r}]", outside=True),
    "see the host's variables in /proc": Probe("assert {canary!r}.encode() in environments()", outside=True),
    "read the kernel's log": Probe("open('/dev/kmsg').read(1)"),
    "read a disk": Probe("assert any(stat.S_ISBLK(p.stat().st_mode) for p in pathlib.Path('/dev').rglob('*'))"),
    # the network
    "connect to the host's loopback": Probe("connect(('127.0.0.1', {port}))", outside=True),
    "connect to the host's address": Probe("connect(({address!r}, {port}))", outside=True),
    "connect to an abstract socket": Probe("connect('\\0' + {abstract!r}, socket.AF_UNIX)", outside=True),
    "send to the internet": Probe("socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))"),
    "connect to the internet": Probe("connect(('192.0.2.1', 443))"),
    "look up a name": Probe("socket.getaddrinfo('example.org', 80)"),
    "open a raw socket": Probe("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)"),
    "have another interface than loopback": Probe("assert len(socket.if_nameindex()) > 1"),
    # read-only mounts
    **{
        f"write to {place}": Probe(f"pathlib.Path({place!r}, 'mine').write_text('')")
        for place in ("/kit", "/kit/data", "/models/micro-base", "/usr", "/usr/bin", "/proc/sys/kernel")
    },
    # what lies outside the workspace would escape the audit
    **{
        f"leave a file in {place}": Probe(f"pathlib.Path({place!r}, 'mine').write_text('')")
        for place in ("/", "/etc", "/agent", "/models", "/run/ptb")
    },
    "change the agent": Probe("open('/agent/script.py', 'a')"),
    "write to this Python": Probe("pathlib.Path(sys.prefix, 'mine').write_text('')"),
    "write to the base Python": Probe("pathlib.Path(sys.base_prefix, 'mine').write_text('')"),
    "change the kit": Probe("open('/kit/evaluate.py', 'a')"),
    "change the deadline": Probe("open('/run/ptb/deadline', 'w')"),
    "replace the deadline": Probe("os.replace('/workspace/deadline', '/run/ptb/deadline')"),
    "change the mode of the kit": Probe("os.chmod('/kit/evaluate.py', 0o777)"),
    "remove a model": Probe("os.unlink('/models/micro-base/config.json')"),
    **{
        f"remount {place}": Probe(f"ok(libc.mount(None, b{place!r}, None, REMOUNT | BIND, None))")
        for place in ("/", "/kit", "/models/micro-base", "/usr")
    },
    "mount over the kit": Probe("ok(libc.mount(b'/workspace', b'/kit', None, BIND, None))"),
    "mount a tmpfs": Probe("ok(libc.mount(b'tmpfs', b'/workspace', b'tmpfs', 0, None))"),
    "unmount the kit": Probe("ok(libc.umount2(b'/kit', 2))"),
    "change the root": Probe("os.chroot('/workspace')"),
    # processes and rights
    "see a process of the host": Probe("os.stat('/proc/{pid}')", outside=True),
    "see many processes": Probe("assert sum(p.isdigit() for p in os.listdir('/proc')) > 2", outside=True),
    "ask for a process of the host": Probe("os.kill({pid}, 0)", outside=True),
    "end a process of the host": Probe("os.kill({pid}, signal.SIGKILL)"),
    "make a user namespace": Probe("ok(libc.unshare(0x10000000))"),
    "make a mount namespace": Probe("ok(libc.unshare(0x00020000))"),
    "make a network namespace": Probe("ok(libc.unshare(0x40000000))"),
    **{
        f"hold capabilities ({field})": Probe(f"assert int(status({field!r}), 16) != 0")
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    },
    "gain rights by setuid programs": Probe("assert status('NoNewPrivs') == '0'"),
    "become root": Probe("os.setuid(0)"),
    "make a character device": Probe("os.mknod('/workspace/zero', stat.S_IFCHR | 0o666, os.makedev(1, 5))"),
    "make a block device": Probe("os.mknod('/workspace/disk', stat.S_IFBLK | 0o666, os.makedev(8, 0))"),
    "rename the host": Probe("socket.sethostname('mine')"),
    "set the clock": Probe("import time; time.clock_settime(time.CLOCK_REALTIME, 0)"),
}

NEEDED = {
    "write to the workspace": Probe("pathlib.Path('/workspace/mine').write_text('x')"),
    "work in the workspace": Probe("assert os.getcwd() == '/workspace'"),
    "write to /tmp": Probe("pathlib.Path('/tmp/mine').write_text('x')"),
    "read the kit": Probe("assert open('/kit/evaluate.py').read()"),
    "read the models": Probe("assert os.path.getsize('/models/micro-base/model.safetensors') > 1000"),
    "read the deadline": Probe("float(open('/run/ptb/deadline').read())"),
    "see the variables that were given": Probe("assert os.environ['GIVEN'] == 'value'"),
    "run programs of the system": Probe("subprocess.run(['/bin/sh', '-c', 'true'], check=True)"),
    "find the libraries of this Python": Probe("import importlib.util; assert importlib.util.find_spec('numpy')"),
    "talk over its own loopback": Probe(
        "one = socket.create_server(('127.0.0.1', 0)); connect(('127.0.0.1', one.getsockname()[1]))"
    ),
    "start a process": Probe("subprocess.run([sys.executable, '-c', ''], check=True)"),
}


@dataclass(frozen=True)
class Place:
    """A run's mounts, and facts on the host that a probe looks for."""

    mounts: list[Mount]
    facts: dict[str, object]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    root = tmp_path_factory.mktemp("runs") / "run"
    other = root.with_name("other")
    for folder in (
        root / "workspace" / ".tmp",
        root / "workspace" / ".shm",
        root / "prepare" / "kit" / "data",
        root / "solve.partial",
        other,
    ):
        folder.mkdir(parents=True)
    (root / "run.json").write_text("{}")
    (other / "result.json").write_text("{}")
    (root / "workspace" / "deadline").write_text("9e9")
    (root / "prepare" / "kit" / "evaluate.py").write_text("print()")
    (root / "solve.partial" / "deadline").write_text("1.0")
    script = root.with_name("script.py")
    script.write_text("")
    mounts = [*run_mounts(root, "micro-base").values(), Mount("agent/script.py", script)]
    sleeper = subprocess.Popen([sys.executable, "-I", "-c", "import time; time.sleep(600)"])
    with socket.create_server(("", 0)) as listener, socket.socket(socket.AF_UNIX) as abstract:
        abstract.bind(f"\0{root}")
        abstract.listen()
        for one in (listener, abstract):
            threading.Thread(target=_accept, args=(one,), daemon=True).start()
        facts = {
            "secret": str(other / "result.json"),
            "other_run": str(other),
            "run": str(root),
            "home": str(Path.home()),
            "canary": CANARY,
            "port": listener.getsockname()[1],
            "address": _own_address(),
            "abstract": str(root),
            "pid": sleeper.pid,
        }
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(CANARY, "secret")
            yield Place(mounts, facts)
    assert sleeper.poll() is None, "a probe has ended a process of the host"
    sleeper.kill()
    sleeper.wait()


def _accept(listener: socket.socket) -> None:
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        return


def _own_address() -> str:
    """An address of this machine that is not loopback, where it has one."""
    for addresses in psutil.net_if_addrs().values():
        for one in addresses:
            if one.family == socket.AF_INET and not one.address.startswith("127."):
                return one.address
    return "127.0.0.1"


def attempt(probe: Probe, place: Place, sandbox: Sandbox | None) -> str:
    """`done`, or the exception that the probe met."""
    code = probe.code.format(**place.facts) if "{" in probe.code else probe.code
    lines = "\n".join(f"    {line}" for line in code.splitlines())
    program = f"{HELPERS}\ntry:\n{lines}\nexcept (OSError, KeyError, AssertionError) as error:\n"
    program += "    print(type(error).__name__, error)\nelse:\n    print('done')\n"
    argv = [sys.executable, "-I", "-c", program]
    if sandbox is None:
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    process = sandbox.start(argv, place.mounts, {"PATH": "/usr/bin:/bin", "GIVEN": "value"}, "/workspace")
    out, errors = process.popen.communicate(timeout=60)
    process.kill(0)
    assert process.popen.returncode == 0, errors.decode()
    return out.decode()


@pytest.mark.sandbox
@pytest.mark.parametrize("probe", FORBIDDEN.values(), ids=FORBIDDEN)
def test_forbidden_attempt_fails(probe: Probe, place: Place) -> None:
    said = attempt(probe, place, Bubblewrap())
    assert said.split()[0] in {
        *("AssertionError", "ConnectionRefusedError", "FileNotFoundError", "FileExistsError", "KeyError"),
        *("OSError", "PermissionError", "ProcessLookupError", "gaierror", "NotADirectoryError"),
    }, said


@pytest.mark.parametrize("name", [name for name, probe in FORBIDDEN.items() if probe.outside])
def test_same_attempt_succeeds_without_a_sandbox(name: str, place: Place) -> None:
    assert attempt(FORBIDDEN[name], place, None) == "done\n"


@pytest.mark.sandbox
@pytest.mark.parametrize("probe", NEEDED.values(), ids=NEEDED)
def test_needed_attempt_succeeds(probe: Probe, place: Place) -> None:
    assert attempt(probe, place, Bubblewrap()) == "done\n"


TREE = """
import signal, sys, time
from support import BACKGROUND
from posttrainbench.sandbox import load_sandbox
code = "import os, signal, subprocess, sys, time\\n" + BACKGROUND
code += f"background({sys.argv[2]!r}, ignore_terminate=True)\\nprint('up', flush=True)\\ntime.sleep(600)"
process = load_sandbox(sys.argv[1]).start([sys.executable, "-I", "-c", code, sys.argv[2]], [], {}, "/")
print(process.popen.stdout.readline().decode(), flush=True)
time.sleep(600)
"""


@pytest.mark.sandbox
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("sandbox", ["bubblewrap", "process"])
def test_tree_ends_with_its_orchestrator(sandbox: str, number: signal.Signals, tmp_path: Path) -> None:
    marker = f"tree-{tmp_path.name}"
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    orchestrator = subprocess.Popen(
        [sys.executable, "-c", TREE, sandbox, marker], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert orchestrator.stdout is not None
    assert orchestrator.stdout.readline() == "up\n"
    assert len([one for one in marked(marker) if one.pid != orchestrator.pid]) >= 4
    orchestrator.send_signal(number)
    orchestrator.communicate()
    eventually(lambda: not marked(marker))


@pytest.mark.sandbox
@pytest.mark.parametrize("sandbox", ["bubblewrap", "process"])
@pytest.mark.parametrize("grace", [0.0, 0.3])
@pytest.mark.parametrize("ends", ["by itself", "by the host"])
def test_nothing_of_the_tree_is_left_when_kill_returns(ends: str, grace: float, sandbox: str, tmp_path: Path) -> None:
    marker = f"tree-{tmp_path.name}"
    code = f"import os, signal, subprocess, sys, time\n{BACKGROUND}\nbackground({marker!r}, ignore_terminate=True)\n"
    code += "print('up', flush=True)\n" + ("time.sleep(600)" if ends == "by the host" else "")
    process = load_sandbox(sandbox).start([sys.executable, "-I", "-c", code, marker], [], {}, "/")
    assert process.popen.stdout is not None
    assert process.popen.stdout.readline() == b"up\n"
    if ends == "by itself":
        process.popen.wait()
    process.kill(grace)
    assert marked(marker) == []
    assert process.popen.poll() is not None


def test_process_backend_passes_no_variable_of_the_host_on(place: Place) -> None:
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
def test_run_without_isolation_says_so(tmp_path: Path) -> None:
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

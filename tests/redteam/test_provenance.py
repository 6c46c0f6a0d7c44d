"""Nothing may pass from a file to another unnoticed: each attack is blocked, recorded, or leaves no proof."""

import json
import os
import re
import secrets
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest

from container_engines import backend
from posttrainbench.audit.provenance import FinalFile, Graph, read_graph
from posttrainbench.sandbox import Mount, Sandbox, bubblewrap
from posttrainbench.sandbox.apptainer import Apptainer
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.client import SupervisedProcess
from posttrainbench.sandbox.containers import UNUSED_UID
from posttrainbench.sandbox.host import host_binds, host_links, python_binds
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.sandbox.provenance.launch import Availability, recording_available
from posttrainbench.sandbox.provenance.record import NAME
from provenance_attacks import ATTACKS, PRELUDE
from support import eventually

pytestmark = pytest.mark.sandbox
NAMES = list(ATTACKS)
DRIVER = """
import json, subprocess, sys
results = {}
for folder in json.loads(sys.argv[1]):
    try:
        done = subprocess.run([sys.executable, "-I", "-S", "attack.py"], cwd=folder, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)
        results[folder] = done.stdout.decode(errors="replace")
    except subprocess.TimeoutExpired as error:
        results[folder] = "timeout " + repr(error.stdout)
print(json.dumps(results))
"""


@dataclass(frozen=True)
class Attacked:
    workspace: Path
    graph: Graph
    secret: bytes
    output: dict[str, str]

    def answer(self, name: str) -> tuple[bool, str, str]:
        """Return whether the secret arrived, the graph's answer, and the program's output."""
        folder = str(NAMES.index(name))
        out, output = self.workspace / folder / "out", self.output[f"/workspace/{folder}"]
        if not out.exists() or not self.secret.startswith(out.read_bytes()[:16] or b"?"):
            return False, "", output
        with out.open("rb") as file:
            sink = FinalFile("out", file_id(file.fileno()), float("inf"))
        source = f"/workspace/{folder}/secret"
        return True, self.graph.feeds([sink], lambda path: path == source).kind, output


def start(sandbox: Sandbox, argv: list[str], workspace: Path, record: Path) -> SupervisedProcess:
    return sandbox.start(
        argv,
        [Mount("workspace", workspace, writable=True)],
        {"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        "/workspace",
        record=record,
    )


def recording_backend(name: str) -> Sandbox:
    sandbox = backend(name)
    if name != "bubblewrap" and not (recording := recording_available(sandbox)).works:
        pytest.skip(f"file provenance cannot be recorded in {name}: {recording.reason}")
    return sandbox


def operations(record: Path) -> list[str]:
    return [json.loads(line)["op"] for line in (record / NAME).read_text().splitlines()]


@pytest.fixture(scope="module", autouse=True)
def available() -> None:
    recording = recording_available(Bubblewrap())
    if not recording.works:
        pytest.skip(f"file provenance cannot be recorded: {recording.reason}")


@pytest.fixture(params=["bubblewrap", "podman"])
def attacked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    sandbox = recording_backend(request.param)
    root = tmp_path_factory.mktemp("attacks")
    workspace, secret = root / "workspace", secrets.token_hex(16).encode()
    for number, name in enumerate(NAMES):
        folder = workspace / str(number)
        folder.mkdir(parents=True)
        (folder / "secret").write_bytes(secret)
        (folder / "attack.py").write_text(
            PRELUDE + ATTACKS[name][0].replace("(SAVER", '("save(sys.stdin.buffer.read())"')
        )
    folders = json.dumps([f"/workspace/{number}" for number in range(len(NAMES))])
    process = start(sandbox, [sandbox.python, "-I", "-S", "-c", DRIVER, folders], workspace, root / "record")
    output, errors = process.popen.communicate()
    report = process.report()
    assert report is not None
    assert report.exit_code == 0, errors
    assert operations(root / "record")[-1] == "end"
    assert "fault" not in operations(root / "record")
    return Attacked(workspace, read_graph(root / "record" / NAME), secret, json.loads(output))


def test_no_attack_passes_unnoticed(attacked: Attacked) -> None:
    """One test for all, since they share a sandbox."""
    failed = {}
    for name, (_, expected) in ATTACKS.items():
        arrived, answer, output = attacked.answer(name)
        blocked = "blocked" if not arrived and output.startswith("blocked") else "not carried"
        found = answer if arrived else blocked
        if found != expected:
            failed[name] = (found, output)
    assert failed == {}


def test_a_process_that_has_made_no_call_is_known_when_another_looks_into_it(tmp_path: Path) -> None:
    """As `ps` does while an agent starts programs."""
    (tmp_path / "workspace").mkdir()
    source = "import os, time; pid = os.fork(); pid or time.sleep(600); open(f'/proc/{pid}/environ').read()"
    sandbox = Bubblewrap()
    process = start(sandbox, [sandbox.python, "-I", "-S", "-c", source], tmp_path / "workspace", tmp_path / "r")
    process.popen.communicate()
    process.report()
    events = [json.loads(line) for line in (tmp_path / "r" / NAME).read_text().splitlines()]
    [reach] = [event for event in events if event["op"] == "reach"]
    assert reach["target"] in [event["p"] for event in events if event["op"] == "new"]
    assert read_graph(tmp_path / "r" / NAME).missing == []


def test_killing_everything_leaves_a_complete_record(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    process = start(Bubblewrap(), ["/bin/sh", "-c", "echo x > f; kill -9 -1"], tmp_path / "workspace", tmp_path / "r")
    process.popen.communicate()
    process.report()
    assert operations(tmp_path / "r")[-1] == "end"


@pytest.mark.parametrize("name", ["bubblewrap", "podman"])
def test_without_the_recorder_nothing_goes_on(name: str, tmp_path: Path) -> None:
    sandbox = recording_backend(name)
    (tmp_path / "workspace").mkdir()
    script = "while :; do echo x > alive || exit 7; sleep 0.1; done"
    process = start(sandbox, ["/bin/sh", "-c", script], tmp_path / "workspace", tmp_path / "r")
    eventually(lambda: (tmp_path / "workspace/alive").exists())
    assert process.recorder is not None
    process.recorder.send_signal(signal.SIGKILL)
    process.popen.communicate()
    report = process.report()
    assert report is not None
    assert report.exit_code != 0
    assert "end" not in operations(tmp_path / "r")
    graph = read_graph(tmp_path / "r" / NAME)
    assert graph.missing == ["the record has no end: the recorder died"]


def test_a_stopped_recorder_does_not_keep_the_sandbox_alive(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    script = "while :; do echo x > alive; done"
    process = start(Bubblewrap(), ["/bin/sh", "-c", script], tmp_path / "workspace", tmp_path / "r")
    eventually(lambda: (tmp_path / "workspace/alive").exists())
    assert process.recorder is not None
    process.recorder.send_signal(signal.SIGSTOP)
    try:
        supervisor = process.popen
        os.kill(supervisor.pid, signal.SIGTERM)  # as when the orchestrator dies
        supervisor.communicate()
    finally:
        process.recorder.send_signal(signal.SIGCONT)
    process.report()
    assert operations(tmp_path / "r")[-1] == "end"


def test_the_recorder_is_not_visible_inside(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    code = (
        "import os; print(sorted(os.listdir('/proc/self/fd'))); print([p for p in os.listdir('/proc') if p.isdigit()])"
    )
    process = start(Bubblewrap(), [sys.executable, "-I", "-S", "-c", code], tmp_path / "workspace", tmp_path / "r")
    output, _ = process.popen.communicate()
    descriptors, processes = output.decode().splitlines()
    assert descriptors == str(["0", "1", "2", "3"])  # the last is the directory that is listed
    assert len(json.loads(processes.replace("'", '"'))) == 2


INSIDE_A_CONTAINER = """
import json, os, socket
said = {"processes": len([name for name in os.listdir("/proc") if name.isdigit()])}
said["descriptors"] = sorted(map(int, os.listdir("/proc/self/fd")))
for title, action in {
    "socket": lambda: socket.socket(socket.AF_UNIX).connect("/run/ptb/recorder.sock"),
    "first process": lambda: os.kill(1, 9) or os.stat("/proc/1/fd/0"),
    "its memory": lambda: open("/proc/1/mem", "rb"),
}.items():
    try:
        action()
        said[title] = "succeeded"
    except OSError as error:
        said[title] = type(error).__name__
said |= {"mounts": open("/proc/self/mountinfo").read(), "first": open("/proc/1/cmdline").read()}
print(json.dumps(said), flush=True)
input()
"""


def test_nothing_in_a_container_leads_to_the_recorder(tmp_path: Path) -> None:
    sandbox = recording_backend("podman")
    (tmp_path / "workspace").mkdir()
    argv = [sandbox.python, "-I", "-S", "-c", INSIDE_A_CONTAINER]
    process = start(sandbox, argv, tmp_path / "workspace", tmp_path / "the-record")
    assert process.recorder is not None
    assert process.popen.stdout is not None
    said = json.loads(process.popen.stdout.readline())
    assert set(psutil.Process(process.recorder.pid).uids()) == {UNUSED_UID}
    process.popen.communicate(b"\n")
    process.report()
    mounts = said.pop("mounts")
    [folder] = re.findall(r"/(ptb-recorder-[^/]+)/socket", mounts)
    assert not Path(tempfile.gettempdir(), folder).exists()
    assert "the-record" not in mounts + said.pop("first")
    assert said == {
        "processes": 2,
        "descriptors": [0, 1, 2, 3],  # the last is the directory that is listed
        "socket": "ConnectionRefusedError",
        "first process": "PermissionError",
        "its memory": "PermissionError",
    }
    assert operations(tmp_path / "the-record")[-1] == "end"


APPTAINER = """#!{python}
# Stands in for Apptainer: its mounts and its command, in bubblewrap.
import os, sys
words, binds = sys.argv[1:], []
while words[0] != "--pwd":
    word = words.pop(0)
    if word == "--bind":
        source, target, mode = words.pop(0).split(":")
        binds += ["--bind" if mode == "rw" else "--ro-bind", source, target]
_, workdir, image, *command = words
system = [option for path in {system!r} for option in ("--ro-bind", path, path)]
links = [option for path, target in {links!r}.items() for option in ("--symlink", target, path)]
box = ["bwrap", "--unshare-all", "--cap-drop", "ALL", "--die-with-parent", "--clearenv", "--setenv", "PATH", {path!r}]
os.execvp("bwrap", [*box, *system, *links, "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/scratch",
                    *binds, *{prefixes!r}, "--chdir", workdir, "--", *command])
"""


def test_apptainer_records_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a substitute that makes another directory writable; Apptainer itself is not run."""
    fill = {
        "python": sys.executable,
        "system": [str(path) for path in host_binds()],
        "links": host_links(),
        "path": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "prefixes": [word for path in python_binds() for word in ("--ro-bind", str(path), str(path))],
    }
    for folder in ("bin", "image", "workspace"):
        (tmp_path / folder).mkdir()
    program = tmp_path / "bin" / "apptainer"
    program.write_text(APPTAINER.format(**fill))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    sandbox = Apptainer(str(tmp_path / "image"))
    assert recording_available(sandbox).works
    (tmp_path / "workspace/secret").write_text("x")
    io_uring = "import ctypes; print(ctypes.CDLL(None).syscall(425, 4, 0))"
    script = f"cp secret /scratch/s; cp /scratch/s out; python3 -c '{io_uring}'"
    process = start(sandbox, ["/bin/sh", "-c", script], tmp_path / "workspace", tmp_path / "r")
    output, errors = process.popen.communicate()
    process.report()
    assert output == b"-1\n", errors  # io_uring
    with (tmp_path / "workspace/out").open("rb") as file:
        sink = FinalFile("out", file_id(file.fileno()), float("inf"))
    graph = read_graph(tmp_path / "r" / NAME)
    assert graph.missing == []
    assert graph.feeds([sink], lambda path: path == "/workspace/secret").kind == "path"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_recorder_with_other_rights_than_the_sandbox_does_not_record(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where an engine maps user ids."""
    other = partial(bubblewrap.start_recorder, user=(12345, 12345))
    monkeypatch.setattr(bubblewrap, "start_recorder", other)
    found = recording_available(Bubblewrap())
    assert found == Availability(False, "the sandbox: on the host its user id is 0, the recorder's 12345")


def test_where_the_kernel_allows_no_listener_the_record_says_so() -> None:
    """A process can have one listener; the test's own takes its place."""
    code = (
        "import struct; from posttrainbench.sandbox.bubblewrap import Bubblewrap\n"
        "from posttrainbench.sandbox.provenance import launch, shim\n"
        "number = launch.SECCOMP[launch.platform.machine()]\n"
        "print(shim.install(number, struct.pack('=HBBI', 6, 0, 0, 0x7FFF0000))[0] >= 0)\n"
        "print(launch.recording_available(Bubblewrap()))"
    )
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.splitlines() == ["True", "Availability(works=False, reason='Device or resource busy')"]

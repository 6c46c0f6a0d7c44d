"""Nothing may pass from a file to another unnoticed: each attack is blocked, recorded, or leaves no proof."""

import json
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from posttrainbench.audit.provenance import FinalFile, Graph, read_graph
from posttrainbench.sandbox import Mount
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.client import SupervisedProcess
from posttrainbench.sandbox.provenance.kernel import file_id
from posttrainbench.sandbox.provenance.launch import recording_available
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


def start(sandbox: Bubblewrap, argv: list[str], workspace: Path, record: Path) -> SupervisedProcess:
    return sandbox.start(
        argv,
        [Mount("workspace", workspace, writable=True)],
        {"PATH": "/usr/bin:/bin", "HOME": "/tmp"},
        "/workspace",
        record=record,
    )


def operations(record: Path) -> list[str]:
    return [json.loads(line)["op"] for line in (record / NAME).read_text().splitlines()]


@pytest.fixture(scope="module", autouse=True)
def available() -> None:
    recording = recording_available(Bubblewrap())
    if not recording.works:
        pytest.skip(f"file provenance cannot be recorded: {recording.reason}")


@pytest.fixture
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Attacked:
    root = tmp_path_factory.mktemp("attacks")
    workspace, secret = root / "workspace", secrets.token_hex(16).encode()
    for number, name in enumerate(NAMES):
        folder = workspace / str(number)
        folder.mkdir(parents=True)
        (folder / "secret").write_bytes(secret)
        (folder / "attack.py").write_text(
            PRELUDE + ATTACKS[name][0].replace("(SAVER", '("save(sys.stdin.buffer.read())"')
        )
    sandbox = Bubblewrap()
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


def test_without_the_recorder_nothing_goes_on(tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    script = "while :; do echo x > alive || exit 7; sleep 0.1; done"
    process = start(Bubblewrap(), ["/bin/sh", "-c", script], tmp_path / "workspace", tmp_path / "r")
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

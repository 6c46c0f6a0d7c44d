"""The graph of file provenance, on records of real runs: one sandbox for all scenarios."""

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from posttrainbench.audit.provenance import Answer, Graph, Image, final_files, read_graph
from posttrainbench.sandbox import Mount
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.provenance.launch import recording_available
from posttrainbench.sandbox.provenance.record import NAME
from provenance_scenarios import ARGUMENTS, EVALUATE, SCENARIOS, TEST, TRAIN, TRAINER, Scenario

pytestmark = pytest.mark.sandbox
ALL = [*SCENARIOS, *ARGUMENTS]
AGENT = """
import json, subprocess, sys
for folder, script in json.loads(sys.argv[1]):
    out = subprocess.run(["bash", "-c", script], cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, timeout=60).stdout
    print(folder, out.decode(errors="replace"), flush=True)
"""
PRELUDE = f'PYTHON={sys.executable}; python() {{ "$PYTHON" -I -S "$@"; }}; library() {{ "$PYTHON" -I "$@"; }}\n'


@dataclass(frozen=True)
class Recorded:
    workspace: Path
    graph: Graph
    output: str

    def ask(self, scenario: Scenario, arguments: bool = False) -> Answer:
        folder = str(ALL.index(scenario))
        source = f"/workspace/{folder}/{TEST}"
        sink = final_files(self.workspace / folder / "final_model", self.graph.epoch)
        assert sink, self.output
        return self.graph.feeds(sink, lambda path: path == source, cut=is_agent, arguments=arguments)


def is_agent(image: Image) -> bool:
    return AGENT in image.argv


@pytest.fixture
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    recording = recording_available(Bubblewrap())
    if not recording.works:
        pytest.skip(f"file provenance cannot be recorded: {recording.reason}")
    root = tmp_path_factory.mktemp("provenance")
    workspace = root / "workspace"
    shared = root / "shared"
    shared.mkdir()
    tasks = []
    for number, scenario in enumerate(ALL):
        folder = workspace / str(number)
        (folder / TEST).parent.mkdir(parents=True)
        (folder / TEST).write_text("".join(json.dumps({"q": f"q{i} test"}) + "\n" for i in range(100)))
        (folder / "train.jsonl").write_text("".join(json.dumps({"q": f"q{i} train"}) + "\n" for i in range(100)))
        (folder / TRAINER).write_text(TRAIN)
        (folder / "kit/evaluate.py").write_text(EVALUATE)
        if scenario.available():
            tasks.append((f"/workspace/{number}", PRELUDE + scenario.script))
    sandbox = Bubblewrap()
    process = sandbox.start(
        [sandbox.python, "-I", "-S", "-c", AGENT, json.dumps(tasks)],
        [Mount("workspace", workspace, writable=True), Mount("dev/shm", shared, writable=True)],
        {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": "/tmp"},
        "/workspace",
        record=root / "record",
    )
    output, _ = process.popen.communicate()
    report = process.report()
    assert report is not None
    assert report.exit_code == 0, output
    return Recorded(workspace, read_graph(root / "record" / NAME), output.decode())


def test_each_scenario(recorded: Recorded) -> None:
    """One test for all, since they share a sandbox."""
    expected = {scenario.name: scenario.expected for scenario in SCENARIOS if scenario.available()}
    found = {scenario.name: recorded.ask(scenario).kind for scenario in SCENARIOS if scenario.available()}
    assert found == expected, recorded.output
    for scenario in ARGUMENTS:  # followed on request
        assert recorded.ask(scenario).kind == "no path"
        assert recorded.ask(scenario, arguments=True).kind == "path"

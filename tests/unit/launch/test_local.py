"""The local launcher with jobs that only write the marks of a run's stages."""

import json
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from posttrainbench.launch import job_process, local, queue
from posttrainbench.launch.base import LaunchOrder, Watch
from posttrainbench.launch.job import executions
from posttrainbench.launch.local import LAUNCHER
from posttrainbench.records import Part, Placement, Result, Status
from posttrainbench.run import Run
from trajectory_recordings import make_recorded_run

JOB = """
import json, os, sys, time
from pathlib import Path
root, part = Path(sys.argv[1]), sys.argv[2]
def line(event, ending=None):
    entry = {"time": "", "event": event, "part": part, "launcher": "local", "job": str(os.getpid()), "ending": ending}
    with open(root / "executions.jsonl", "a") as file:
        file.write(json.dumps(entry | {"gpus": os.environ.get("CUDA_VISIBLE_DEVICES")}) + "\\n")
def log(what):
    with open(root.parent / "log", "a") as file:
        file.write(json.dumps([what, root.name, part, os.environ.get("CUDA_VISIBLE_DEVICES", "")]) + "\\n")
line("begin")
log("begin")
plan = json.loads((root / "plan").read_text()) if (root / "plan").exists() else []
todo = plan.pop(0) if plan else "done"
(root / "plan").write_text(json.dumps(plan))
if todo == "die":
    log("end")
    os.kill(os.getpid(), 9)
if todo == "done" and part == "agent":
    (root / "solve").mkdir()
if todo == "done" and part == "evaluation":
    (root / "result.json").write_text(os.environ["RESULT"])
log("end")
line("end", todo)
sys.exit({"done": 0, "failed": 1, "refused": 2}[todo])
"""
RESULT = Result(
    **{"run": "run", "status": Status.SCORED, "verdict": {}, "reasons": [], "evidence": []},
    **dict.fromkeys(("score", "raw_score", "base_score", "instruct_score"), 0.5),
)

Launch = Callable[..., list[list[str]]]


class Ended(Watch):
    """Remembers the most active runs at a time, and those that have ended."""

    def __init__(self) -> None:
        self.most = 0
        self.ended: list[str] = []

    def on_change(self, active: Sequence[Run], ended: Sequence[Run]) -> None:
        self.most = max(self.most, len(active))
        self.ended = [run.root.name for run in ended]


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Launch:
    """Launch runs with these plans; return the lines of the log."""

    def command(root: Path, part: Part, *others: object) -> list[str]:
        return [sys.executable, "-S", "-c", JOB, str(root), part]

    monkeypatch.setattr(job_process, "job_command", command)
    monkeypatch.setattr(local, "POLL_SECONDS", 0.02)
    monkeypatch.setattr(local, "GPU_POLL_SECONDS", 0.0)
    monkeypatch.setattr(queue, "RETRY_SECONDS", 0.05)
    monkeypatch.setenv("RESULT", RESULT.model_dump_json())
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def call(plans: dict[str, list[str]], watch: Watch, gpus: int = 0, retries: int = 2, **placement: int) -> list:
        runs = []
        for name, plan in plans.items():
            if not (root := tmp_path / name).exists():
                make_recorded_run(root, [])
                shutil.rmtree(root / "solve")
            (root / "plan").write_text(json.dumps(plan))
            run = Run(root)
            run.spec = run.spec.model_copy(update={"gpus": gpus})
            runs.append(run)
        LAUNCHER.launch(LaunchOrder(runs, tmp_path, Placement(**placement), retries, gpus, 60.0), watch)
        return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]

    return call


def test_each_run_is_done_once_and_its_evaluation_goes_before_later_agents(launch: Launch) -> None:
    watch = Ended()
    log = launch({name: [] for name in "abc"}, watch, concurrency=1)
    assert [line[1:3] for line in log if line[0] == "begin"] == [
        *(["a", "agent"], ["a", "evaluation"], ["b", "agent"], ["b", "evaluation"]),
        *(["c", "agent"], ["c", "evaluation"]),
    ]
    assert (watch.most, watch.ended) == (1, ["a", "b", "c"])


def test_failures_are_retried_refusals_are_not(launch: Launch, tmp_path: Path) -> None:
    plans = {"flaky": ["failed", "done", "failed"], "dead": ["die"] * 9, "refused": ["refused"] * 9, "well": []}
    watch = Ended()
    log = launch(plans, watch, concurrency=4)
    begun = Counter(line[1] for line in log if line[0] == "begin")
    assert begun == {"flaky": 4, "dead": 3, "refused": 1, "well": 2}
    assert sorted(watch.ended) == sorted(plans)
    assert (tmp_path / "flaky" / "result.json").exists()
    assert not (tmp_path / "dead" / "result.json").exists()

    again = launch({"dead": ["die"] * 9, "well": []}, Ended(), concurrency=4)  # the limit holds over launches
    assert Counter(line[1] for line in again if line[0] == "begin") == begun + Counter({"dead": 1})


def test_no_gpu_is_shared_and_a_leased_one_is_left_alone(launch: Launch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "free_gpus", lambda: [0, 2])  # another program uses 1
    log = launch({name: [] for name in "abcde"}, Ended(), gpus=1)
    using: set[str] = set()
    for event, _, _, gpu in log:
        assert gpu in ("0", "2")
        if event == "begin":
            assert gpu not in using
            using.add(gpu)
        else:
            using.remove(gpu)
    assert len([line for line in log if line[0] == "begin"]) == 10


def test_jobs_leave_their_lines(launch: Launch, tmp_path: Path) -> None:
    launch({"a": []}, Ended())
    lines = executions(tmp_path / "a")
    assert [(line.event, line.part, line.ending) for line in lines] == [
        *(("begin", "agent", None), ("end", "agent", "done")),
        *(("begin", "evaluation", None), ("end", "evaluation", "done")),
    ]

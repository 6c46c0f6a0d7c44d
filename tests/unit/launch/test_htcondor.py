"""Launches on HTCondor: DAGs and submit descriptions written and read by the real bindings. No pool is involved."""

import re
import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from launch_orders import Messages, make_order
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.files import append_json
from posttrainbench.launch import htcondor as launcher
from posttrainbench.launch import htcondor_job
from posttrainbench.launch.base import load_launcher
from posttrainbench.launch.htcondor import HTCondor, write_dag
from posttrainbench.launch.job import FILE, executions
from posttrainbench.records import Execution, Part

htcondor2 = pytest.importorskip("htcondor2", reason="HTCondor's bindings have no build for this platform")


def nodes(dag: Path) -> dict[str, dict[str, Any]]:
    """Return node -> its description as the bindings read it, root, and retries."""
    found: dict[str, dict[str, Any]] = {}
    for line in dag.read_text().splitlines():
        word, *rest = shlex.split(line)
        if word == "JOB":
            text = (dag.parent / rest[1]).read_text()
            found[rest[0]] = {"submit": htcondor2.Submit(text), "retries": 0}
        elif word == "VARS":
            found[rest[0]]["root"] = rest[1].partition("=")[2]
        elif word == "RETRY":
            found[rest[0]]["retries"] = int(rest[1])
            assert rest[2:] == ["UNLESS-EXIT", "2"]
    return found


def lines(root: Path, *events: str) -> None:
    for event in events:
        ending: Any = "failed" if event == "end" else None
        entry = Execution(time="", event=event, part="all", launcher="htcondor", job="1", ending=ending)  # type: ignore[arg-type]
        append_json(root / FILE, entry)


def test_each_run_is_a_node_with_the_retries_that_are_left(tmp_path: Path) -> None:
    order = make_order(tmp_path / "my runs", "abc", memory=3 * 2**30, constraint='Arch == "X86_64"', account="lab")
    lines(order.runs[1].root, "begin", "end")
    parts: dict[Any, Part] = dict.fromkeys(order.runs[:2], "agent") | {order.runs[2]: "evaluation"}
    found = nodes(write_dag(htcondor2, order, parts))
    roots = {name: Path(node["root"]).name for name, node in found.items()}
    assert roots == {"all-1:0": "b", "all-2:0": "a", "evaluation-2:0": "c"}
    assert {name: node["retries"] for name, node in found.items()} == {"all-1:0": 1, "all-2:0": 2, "evaluation-2:0": 2}
    submit = found["all-2:0"]["submit"]
    assert submit["executable"] == sys.executable
    arguments = submit["arguments"].strip('"').replace("$(root)", found["all-2:0"]["root"])
    assert shlex.split(arguments)[:4] == ["-m", "posttrainbench.launch.htcondor_job", str(order.runs[0].root), "all"]
    expected = {"request_gpus": "1", "request_cpus": "1", "request_memory": "3072", "accounting_group": "lab"}
    assert {name: submit[name] for name in expected} == expected
    assert submit["requirements"] == 'Arch == "X86_64"'
    assert "ANTHROPIC" not in str(submit)
    assert submit["getenv"] != "True"


def test_the_evaluation_of_a_run_waits_for_its_agent(tmp_path: Path) -> None:
    order = make_order(tmp_path, "ab", split_evaluation=True)
    dag = write_dag(htcondor2, order, dict.fromkeys(order.runs, "agent"))
    found = nodes(dag)
    pairs = re.findall(r"^PARENT (\S+) CHILD (\S+)$", dag.read_text(), re.MULTILINE)
    assert [(found[first]["root"], found[second]["root"]) for first, second in pairs] == [
        (str(run.root), str(run.root)) for run in order.runs
    ]
    durations = {name.partition("-")[0]: node["submit"]["allowed_execute_duration"] for name, node in found.items()}
    assert durations == {"agent": str(60 + 15 * 60), "evaluation": str(4 * 3600)}


def test_what_htcondor_would_interpret_is_refused(tmp_path: Path) -> None:
    order = make_order(tmp_path / "a$(b)", "a")
    with pytest.raises(InputError, match="has a character that HTCondor interprets"):
        write_dag(htcondor2, order, dict.fromkeys(order.runs, "agent"))
    assert not (order.root / "htcondor").exists()


class Pool:
    """Stands for the daemons, which cannot run here."""

    def __init__(self) -> None:
        self.dags: list[tuple[str, dict[str, Any]]] = []
        self.jobs: list[dict[str, int]] = []
        self.removed: list[str] = []
        self.JobAction, self.AdType = htcondor2.JobAction, htcondor2.AdType
        self.Submit = self.description
        self.description.from_dag = lambda file, options: (file, options)  # type: ignore[attr-defined]

    @staticmethod
    def description(values: dict[str, str]) -> Any:
        return htcondor2.Submit(values)

    def Schedd(self) -> Any:  # noqa: N802
        def submit(dag: tuple[str, dict[str, Any]]) -> Any:
            self.dags.append(dag)
            self.jobs.append({"ClusterId": 40 + len(self.dags)})
            return SimpleNamespace(cluster=lambda: self.jobs[-1]["ClusterId"])

        return SimpleNamespace(
            submit=submit, query=lambda **_: self.jobs, act=lambda action, which: self.removed.append(which)
        )

    def Collector(self) -> Any:  # noqa: N802
        return SimpleNamespace(query=lambda *_, **__: [{"Machine": "n", "TotalCpus": 8, "TotalGPUs": 1}])


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Pool:
    pool = Pool()
    monkeypatch.setattr(launcher, "_bindings", lambda: pool)
    return pool


def test_a_run_is_submitted_once_and_its_waiting_job_can_be_canceled(tmp_path: Path, pool: Pool) -> None:
    order, watch = make_order(tmp_path, "ab", concurrency=3), Messages()
    for _ in range(2):
        HTCondor().launch(order, watch)
    [(file, options)] = pool.dags
    assert options == {"UseDagDir": True, "MaxJobs": 3}
    assert watch.texts == [
        "Submitted a DAG with 2 runs: 41.",
        "2 runs are left out: their jobs are queued or running.",
    ]
    assert [line.job for line in executions(order.runs[0].root)] == ["41"]
    lines(order.runs[0].root, "begin")
    assert HTCondor().cancel_waiting(order.runs) == 1
    assert pool.removed == ["DAGManJobId == 41 && JobStatus == 1"]
    assert Path(f"{file}.halt").is_file()


def test_the_check_finds_machines_that_fit(tmp_path: Path, pool: Pool) -> None:
    assert [str(check.text) for check in HTCondor().check(make_order(tmp_path, "a"))] == ["HTCondor, 1 machine"]
    [check] = HTCondor().check(make_order(tmp_path, "a", gpus=2))
    assert (check.state, "No machine" in check.text) == ("problem", True)


def test_without_a_pool_the_check_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")
    [check] = load_launcher("htcondor").check(make_order(tmp_path, "a"))
    assert (check.state, "launch from a submit machine of the pool" in check.text) == ("problem", True)


def test_a_job_ends_with_the_code_of_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order = make_order(tmp_path, "a")
    started: list[Any] = []

    def start(*words: Any) -> Any:
        started.append(words)
        return SimpleNamespace(wait=lambda: 2)

    monkeypatch.setattr(htcondor_job, "start_job", start)
    monkeypatch.setattr(htcondor_job, "ending_of", lambda root, code: "refused")
    assert htcondor_job.main([str(order.runs[0].root), "agent", "2", "41", "gsm8k"]) == 2
    assert started[0][1:] == ("agent", 2, "htcondor", "41", ["gsm8k"])


def test_an_answer_that_fails_is_a_failure_of_the_machine() -> None:
    with pytest.raises(InfrastructureError, match="HTCondor does not answer"):
        launcher._ask(lambda: 1 / 0)

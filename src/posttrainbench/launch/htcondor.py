"""Execute runs as jobs of HTCondor: a DAG with one node for each run, or two with a separate evaluation.

DAGMan tries a node again after a failure of the machine, and HTCondor starts a job again after eviction; it continues
with the run's first unfinished stage. The experiment's directory `htcondor/N` has the DAG and the submit descriptions.

Jobs get no copy of the environment, because everybody can read it in the queue: API keys have to be in `.env` in the
directory of the launch, or in the environment of the nodes.
"""

import math
import re
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.files import write_text
from posttrainbench.launch.base import LaunchOrder, Watch, left_out_message
from posttrainbench.launch.htcondor_job import NAME
from posttrainbench.launch.job import executions, failures, record_submission
from posttrainbench.launch.job_process import EXIT_CODES
from posttrainbench.launch.node_answers import NodeAnswer
from posttrainbench.launch.standing import next_part
from posttrainbench.records import Part
from posttrainbench.run.directory import Run
from posttrainbench.run.preflight import CheckResult

FOLDER = "htcondor"
CLUSTER = "cluster"
"""File beside a DAG with the id of its DAGMan job."""
DAG_FILE = "dagfile.dag"
AGENT_MARGIN = 15 * 60.0
"""Seconds of an agent's job, in addition to the budget: to start, and to record the end."""
VARIABLES = "PATH HOME LANG HF_HOME HF_HUB_OFFLINE PTB_DATA PTB_CATALOG XDG_DATA_HOME XDG_CACHE_HOME"
"""Environment variables of the launch that jobs get."""
SPECIAL = re.compile(r"[\"'\\$\n]")
"""Characters that the submit language or DAGMan interprets."""
DAGMAN = "JobUniverse == 7 && (JobStatus == 1 || JobStatus == 2)"
"""Constraint for DAGMan jobs that wait or run."""
MISSING = (
    "HTCondor's bindings are not installed in this environment; install them: pip install 'posttrainbench[htcondor]'."
)


class HTCondor:
    """Submits the runs, and returns."""

    name = NAME
    options = frozenset({"account", "constraint", "split_evaluation"})
    elsewhere = True
    waits = False

    def check(self, order: LaunchOrder) -> Iterator[CheckResult]:
        """Yield whether a pool answers and has a machine for the jobs."""
        try:
            condor = _bindings()
            _submit_description(condor, order, "all", 1)
            for run in order.runs:
                _require_plain(str(run.root))
            machines = _ask(lambda: _machines(condor, order.placement.constraint))
            _ask(condor.Schedd)
        except (InputError, InfrastructureError) as error:
            yield CheckResult("launcher", "problem", str(error))
            return
        fitting = {str(machine.get("Machine")) for machine in machines if _fits(machine, order)}
        if fitting:
            yield CheckResult("launcher", "ok", f"HTCondor, {len(fitting)} machine{'s' * (len(fitting) != 1)}")
        else:
            text = f"No machine of the HTCondor pool fits a job with {order.gpus} GPUs and the other options."
            yield CheckResult("launcher", "problem", text)

    def check_nodes(self, order: LaunchOrder, command: Sequence[str], seconds: float) -> Sequence[NodeAnswer]:
        """Return nothing: HTCondor runs a command only as a job, which waits in the queue."""
        return ()

    def launch(self, order: LaunchOrder, watch: Watch) -> None:
        """Submit the runs that no DAG of an earlier launch will execute; see `Launcher`."""
        condor = _bindings()
        queued = _queued(condor)
        runs = [run for run in order.runs if not any(job in queued for job in _submitted(run))]
        if len(runs) < len(order.runs):
            watch.on_message(left_out_message(len(order.runs) - len(runs)))
        parts = {run: part for run in runs if (part := next_part(run, order.off_target)) is not None}
        if not parts:
            return
        path = write_dag(condor, order, parts)
        options = {"UseDagDir": True, "MaxJobs": order.placement.concurrency or 0}
        result = _ask(lambda: condor.Schedd().submit(condor.Submit.from_dag(str(path), options)))
        cluster = str(result.cluster())
        write_text(path.with_name(CLUSTER), f"{cluster}\n")
        for run, part in parts.items():
            record_submission(run, part, HTCondor.name, cluster)
        watch.on_message(f"Submitted a DAG with {len(parts)} run{'s' * (len(parts) != 1)}: {cluster}.")

    def cancel_waiting(self, runs: Sequence[Run]) -> int:
        """Halt the DAGs of these runs and remove their idle jobs; see `Launcher`. Running jobs go on."""
        condor = _bindings()
        queued = _queued(condor)
        waiting, dags = 0, set()
        for run in runs:
            lines = executions(run.root)
            own = {job for job in _submitted(run) if job in queued}
            waiting += bool(own) and lines[-1].event == "submitted"
            dags |= {(run.root.parent, job) for job in own}
        for root, job in sorted(dags):
            for file in root.glob(f"{FOLDER}/*/{CLUSTER}"):
                if file.read_text().strip() == job:
                    write_text(file.with_name(f"{DAG_FILE}.halt"), "")  # DAGMan submits nothing more
            idle = f"DAGManJobId == {int(job)} && JobStatus == 1"
            _ask(lambda idle=idle: condor.Schedd().act(condor.JobAction.Remove, idle))
        return waiting


def write_dag(condor: Any, order: LaunchOrder, parts: dict[Run, Part]) -> Path:
    """Write the DAG and its submit descriptions into a new directory of the experiment. Return the DAG's file.

    Args:
        condor: the bindings.
        order: the order.
        parts: run -> its next part.

    Raises:
        InputError: a run's path or an option has characters that HTCondor interprets.
    """
    from htcondor2 import dags

    dag = dags.DAG()
    groups: dict[tuple[bool, int], list[Run]] = {}
    for run, part in parts.items():
        _require_plain(str(run.root))
        left = max(0, order.retries - failures(executions(run.root), running=False))
        groups.setdefault((part == "evaluation", left), []).append(run)
    for (evaluation, left), runs in sorted(groups.items(), key=lambda group: group[0]):
        split = order.placement.split_evaluation and not evaluation
        first: Part = "evaluation" if evaluation else "agent" if split else "all"
        options = {"retries": left, "retry_unless_exit": EXIT_CODES["refused"]}
        variables = [{"root": str(run.root)} for run in runs]
        layer = dag.layer(
            name=f"{first}-{left}",
            submit_description=_submit_description(condor, order, first, order.retries),
            vars=variables,
            **options,
        )
        if split:
            layer.child_layer(
                name=f"evaluation-after-{left}",
                submit_description=_submit_description(condor, order, "evaluation", order.retries),
                vars=variables,
                edge=dags.OneToOne(),
                **options,
            )
    folder = order.root / FOLDER
    number = sum(1 for _ in folder.glob("*")) if folder.is_dir() else 0
    path: Path = dags.write_dag(dag, folder / str(number + 1), dag_file_name=DAG_FILE)
    return path


def _submit_description(condor: Any, order: LaunchOrder, part: Part, retries: int) -> Any:
    """Return the submit description of a job, in which `$(root)` is the run's directory."""
    placement = order.placement
    evaluation = placement.evaluation_time
    seconds = {
        "agent": order.budget + AGENT_MARGIN,
        "evaluation": evaluation,
        "all": order.budget + AGENT_MARGIN + evaluation,
    }[part]
    words = [
        "-m",
        "posttrainbench.launch.htcondor_job",
        "$(root)",
        part,
        str(retries),
        "$(ClusterId)",
        *order.off_target,
    ]
    for text in (sys.executable, str(Path.cwd()), *order.off_target):
        _require_plain(text)
    values = {
        "universe": "vanilla",
        "executable": sys.executable,
        "arguments": '"' + " ".join(f"'{word}'" for word in words) + '"',
        "initialdir": str(Path.cwd()),
        "getenv": ", ".join(VARIABLES.split()),
        "should_transfer_files": "NO",
        "log": f"{order.root}/{FOLDER}/jobs.log",
        "error": f"$(root)/{FOLDER}-{part}.log",
        "request_gpus": str(order.gpus) if order.gpus else None,
        "request_cpus": str(placement.cpus) if placement.cpus else None,
        "request_memory": str(math.ceil(placement.memory / 2**20)) if placement.memory else None,
        "requirements": placement.constraint,
        "accounting_group": placement.account,
        "allowed_execute_duration": str(math.ceil(seconds)),
        **placement.options,
    }
    try:
        return condor.Submit({name: value for name, value in values.items() if value is not None})
    except Exception as error:
        raise InputError(f"HTCondor refuses the options: {one_line(error)}") from None


def _require_plain(text: str) -> None:
    if SPECIAL.search(text):
        raise InputError(f"{text!r} has a character that HTCondor interprets; choose a path without \" ' \\ and $.")


def _submitted(run: Run) -> list[str]:
    """Return the ids of the DAGs with which a run was submitted."""
    return [line.job for line in executions(run.root) if line.event == "submitted" and line.launcher == HTCondor.name]


def _queued(condor: Any) -> set[str]:
    """Return the ids of the DAGMan jobs that wait or run."""
    jobs = _ask(lambda: condor.Schedd().query(constraint=DAGMAN, projection=["ClusterId"]))
    return {str(job["ClusterId"]) for job in jobs}


def _machines(condor: Any, constraint: str | None) -> list[Any]:
    names = ["Machine", "TotalCpus", "TotalMemory", "TotalGPUs"]
    return list(condor.Collector().query(condor.AdType.Startd, constraint=constraint or "true", projection=names))


def _fits(machine: Any, order: LaunchOrder) -> bool:
    placement = order.placement
    needed = {
        "TotalGPUs": order.gpus,
        "TotalCpus": placement.cpus or 1,
        "TotalMemory": (placement.memory or 0) / 2**20,
    }
    return all(float(machine.get(name, 0)) >= number for name, number in needed.items())


def _bindings() -> Any:
    """Return the bindings.

    Raises:
        InputError: they are not installed.
    """
    try:
        import htcondor2
    except ImportError:
        raise InputError(MISSING) from None
    return htcondor2


def _ask(question: Any) -> Any:
    """Return the pool's answer.

    Raises:
        InfrastructureError: it does not answer.
    """
    try:
        return question()
    except Exception as error:
        text = f"HTCondor does not answer ({one_line(error).rstrip('.')}); launch from a submit machine of the pool."
        raise InfrastructureError("unexpected", text) from error


LAUNCHER = HTCondor()

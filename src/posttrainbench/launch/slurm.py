"""Execute runs as jobs of Slurm, submitted by submitit as job arrays.

A job holds no state: Slurm starts it again after preemption or the failure of its node, and it continues with the run's
first unfinished stage. submitit stores the function and its arguments, which are texts, by pickle in the experiment's
directory `slurm`, which no agent can write.
"""

import contextlib
import io
import math
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.launch.base import LaunchOrder, Watch, left_out_message
from posttrainbench.launch.job import executions, record_submission
from posttrainbench.launch.node_answers import NodeAnswer, choose_nodes, read_answer
from posttrainbench.launch.slurm_job import NAME, run_job
from posttrainbench.launch.slurm_messages import explain
from posttrainbench.launch.standing import next_part
from posttrainbench.records import Part
from posttrainbench.run.directory import Run
from posttrainbench.run.preflight import CheckResult

FOLDER = "slurm"
AGENT_MARGIN = 15 * 60.0
"""Seconds of an agent's job, in addition to the budget: to start, and to record the end."""
TIMEOUT = 60.0
STOP_SECONDS = 10.0
NODE_FIELDS = "%N|%G|%f|%c|%m"
OPTIONS = frozenset({"partition", "account", "constraint", "split_evaluation"})


class Slurm:
    """Submits the runs, and returns."""

    name = NAME
    options = OPTIONS
    elsewhere = True
    waits = False

    def check(self, order: LaunchOrder) -> Iterator[CheckResult]:
        """Yield whether Slurm answers and has nodes for the jobs."""
        try:
            nodes = _nodes(order.placement.partition)
        except (InputError, InfrastructureError) as error:
            yield CheckResult("launcher", "problem", str(error))
            return
        fitting = [node for node in nodes if not _misfit(node, order)]
        if not fitting:
            yield CheckResult("launcher", "problem", _misfits(nodes, order))
            return
        names = ",".join(node["name"] for node in fitting)
        limit = _minutes(order, "agent" if order.placement.split_evaluation else "all")
        yield CheckResult("launcher", "ok", f"Slurm, nodes {names}, time limit {limit} minutes")

    def check_nodes(self, order: LaunchOrder, command: Sequence[str], seconds: float) -> Sequence[NodeAnswer]:
        """Run the command by `srun` on each node that fits a job, all at a time; see `Launcher`."""
        fitting = [node for node in _nodes(order.placement.partition) if not _misfit(node, order)]
        nodes = choose_nodes(fitting, lambda node: tuple(value for name, value in node.items() if name != "name"))
        if not nodes:
            return ()
        words = [_srun(order, node["name"], seconds) for node in nodes]
        with ThreadPoolExecutor(len(nodes)) as pool:
            ask = partial(_answer, command=command, seconds=seconds)
            return list(pool.map(ask, [node["name"] for node in nodes], words))

    def launch(self, order: LaunchOrder, watch: Watch) -> None:
        """Submit the runs that no job of an earlier launch will execute; see `Launcher`."""
        queued = _queued_jobs()
        runs = [run for run in order.runs if not _is_queued(run, queued)]
        if len(runs) < len(order.runs):
            watch.on_message(left_out_message(len(order.runs) - len(runs)))
        by_part: dict[Part, list[Run]] = {}
        for run in runs:
            part = next_part(run, order.off_target)
            if part is not None:
                by_part.setdefault(part, []).append(run)
        if not order.placement.split_evaluation:
            _submit(order, by_part.get("agent", []), "all", watch)
        else:
            first = _submit(order, by_part.get("agent", []), "agent", watch)
            _submit(order, by_part.get("agent", []), "evaluation", watch, first)
        _submit(order, by_part.get("evaluation", []), "evaluation", watch)

    def cancel_waiting(self, runs: Sequence[Run]) -> int:
        """Cancel the jobs of these runs that wait; see `Launcher`."""
        queued = _queued_jobs("--states=PENDING")
        waiting = sorted(
            {line.job for run in runs for line in executions(run.root) if line.event == "submitted"} & queued
        )
        if waiting:
            _slurm("scancel", "--quiet", *waiting)
        return len(waiting)


def _submit(order: LaunchOrder, runs: Sequence[Run], part: Part, watch: Watch, after: Sequence[str] = ()) -> list[str]:
    """Submit one job for each run, as an array. Return their ids.

    Args:
        order: the order.
        runs: the runs.
        part: the part that each job executes.
        watch: receives a message.
        after: ids of the jobs, one for each run, which these depend on.
    """
    if not runs:
        return []
    import submitit

    folder = order.root / FOLDER
    executor = submitit.SlurmExecutor(folder)
    try:
        executor.update_parameters(**_parameters(order, part, len(runs), after))
    except ValueError as error:
        raise InputError(f"submitit refuses the options: {one_line(error)}") from None
    number = len(runs)
    roots, off_target = [str(run.root) for run in runs], list(order.off_target)
    arguments = (roots, [part] * number, [order.retries] * number, [off_target] * number)
    try:
        with contextlib.redirect_stderr(io.StringIO()):  # submitit prints what sbatch printed
            jobs = executor.map_array(run_job, *arguments)
    except Exception as error:
        raise InfrastructureError("unexpected", explain("sbatch", str(error))) from error
    ids = [str(job.job_id) for job in jobs]
    for run, job in zip(runs, ids, strict=True):
        record_submission(run, part, Slurm.name, job)
    watch.on_message(f"Submitted {len(ids)} job{'s' * (len(ids) != 1)} ({part}): {ids[0].partition('_')[0]}.")
    return ids


def _parameters(order: LaunchOrder, part: Part, number: int, after: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of submitit for an array of jobs."""
    placement = order.placement
    additional: dict[str, Any] = {"requeue": True, **placement.options}
    parameters: dict[str, Any] = {
        "job_name": f"ptb-{order.root.name}",
        "time": _minutes(order, part),
        "array_parallelism": placement.concurrency or number,
        "stderr_to_stdout": True,
        "additional_parameters": additional,
    }
    if after:
        additional["kill-on-invalid-dep"] = "yes"
        array = after[0].partition("_")
        parameters["dependency"] = f"aftercorr:{array[0]}" if array[1] else f"afterok:{array[0]}"
    if order.gpus:
        additional["gres"] = f"gpu:{order.gpus}"
    for name, value in (
        ("partition", placement.partition),
        ("account", placement.account),
        ("constraint", placement.constraint),
        ("cpus_per_task", placement.cpus),
        ("mem", f"{math.ceil(placement.memory / 2**20)}M" if placement.memory else None),
    ):
        if value is not None:
            parameters[name] = value
    return parameters


def _minutes(order: LaunchOrder, part: Part) -> int:
    """Return the time limit of a job."""
    evaluation = order.placement.evaluation_time
    seconds = {
        "agent": order.budget + AGENT_MARGIN,
        "evaluation": evaluation,
        "all": order.budget + AGENT_MARGIN + evaluation,
    }[part]
    return math.ceil(seconds / 60)


def _is_queued(run: Run, queued: set[str]) -> bool:
    """Return True if a job that was submitted for the run waits or runs."""
    return any(line.event == "submitted" and line.job in queued for line in executions(run.root))


def _queued_jobs(*options: str) -> set[str]:
    """Return the ids of this user's jobs that wait or run."""
    return set(_slurm("squeue", "--me", "--noheader", "--array", "--format=%i", *options).split())


def _srun(order: LaunchOrder, node: str, seconds: float) -> list[str]:
    """Return the beginning of a command that runs another one on a node, with what a job would get there."""
    placement = order.placement
    words = ["srun", "--quiet", f"--nodelist={node}", "--nodes=1", "--ntasks=1", "--job-name=ptb-check"]
    words += [f"--immediate={math.ceil(seconds / 4)}", f"--time={math.ceil(seconds / 60)}"]
    options = {"partition": placement.partition, "account": placement.account, "constraint": placement.constraint}
    words += [f"--{name}={value}" for name, value in options.items() if value]
    words += [f"--{name}={value}" for name, value in placement.options.items() if name in ("qos", "reservation")]
    return [*words, f"--gres=gpu:{order.gpus}"] if order.gpus else words


def _answer(node: str, words: Sequence[str], command: Sequence[str], seconds: float) -> NodeAnswer:
    """Run a command on a node by `srun`, and return the node's answer."""
    process = subprocess.Popen(
        [*words, *command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.terminate()  # cancels the job
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        return NodeAnswer(node, False, reason=f"it did not answer within {seconds:.0f} s")
    answer = read_answer(node, output, errors)
    if answer.reached:
        return answer
    if any(sign in errors for sign in ("Unable to allocate", "not available", "busy", "Immediate execution")):
        return NodeAnswer(node, False, reason="it is busy or down; the jobs check it when they start")
    return NodeAnswer(node, False, reason=explain("srun", errors))


def _slurm(*command: str) -> str:
    """Return the output of a command of Slurm.

    Raises:
        InputError: Slurm is not installed on this machine.
        InfrastructureError: it does not answer.
    """
    if shutil.which(command[0]) is None:
        raise InputError(f"`{command[0]}` is not installed; launch from a machine of the Slurm cluster.")
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=TIMEOUT)
    except subprocess.CalledProcessError as error:
        raise InfrastructureError("unexpected", explain(command[0], error.stderr)) from None
    except subprocess.TimeoutExpired:
        text = f"Slurm does not answer `{command[0]}` within {TIMEOUT:.0f} s; try again when `scontrol ping` says UP."
        raise InfrastructureError("unexpected", text) from None
    return done.stdout


def _nodes(partition: str | None) -> list[dict[str, str]]:
    """Return the nodes of a partition, or of all."""
    options = [f"--partition={partition}"] if partition else []
    output = _slurm("sinfo", "--noheader", "--Node", *options, f"--format={NODE_FIELDS}")
    names = ("name", "gres", "features", "cpus", "memory")
    nodes = {line.partition("|")[0]: dict(zip(names, line.split("|"), strict=False)) for line in output.splitlines()}
    if not nodes:
        raise InputError(f"Slurm has no partition `{partition}` with nodes; see `sinfo`.")
    return list(nodes.values())


def _misfit(node: dict[str, str], order: LaunchOrder) -> str:
    """Return why a node cannot execute a job; an empty string if it can."""
    placement = order.placement
    gpus = sum(int(number) for number in re.findall(r"gpu(?::[^:,()]+)?:(\d+)", node.get("gres", "")))
    if order.gpus > gpus:
        return f"{gpus} GPUs"
    if placement.cpus and placement.cpus > int(node["cpus"]):
        return f"{node['cpus']} CPUs"
    if placement.memory and placement.memory > int(node["memory"]) * 2**20:
        return f"{node['memory']} MiB of memory"
    feature = placement.constraint
    if feature and re.fullmatch(r"[\w.-]+", feature) and feature not in node["features"].split(","):
        return f"without the feature {feature}"
    return ""


def _misfits(nodes: Sequence[dict[str, str]], order: LaunchOrder) -> str:
    reasons = {_misfit(node, order): node["name"] for node in nodes}
    found = "; ".join(f"{name}: {reason}" for reason, name in reasons.items())
    return f"No node of Slurm fits a job with {order.gpus} GPUs and the other options ({found})."


LAUNCHER = Slurm()

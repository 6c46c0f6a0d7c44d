"""The solve stage: run the agent in its sandbox until it exits or the deadline passes, and record its activity."""

import json
import shutil
import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.feedback.evaluator import start_evaluator
from posttrainbench.feedback.grader import start_grader_service
from posttrainbench.files import read_jsonl, write_json
from posttrainbench.records import Outcome, Stage
from posttrainbench.records.submission import FINAL, KEPT
from posttrainbench.run.agent_run import AgentRun
from posttrainbench.run.directory import Run, set_aside
from posttrainbench.run.gpus import reserve_gpus, restrict_gpus
from posttrainbench.run.integrity import IntegritySnapshot
from posttrainbench.run.kept import Keeper
from posttrainbench.run.model_cache import cache_mounts, create_layer, machine_cache, write_downloads
from posttrainbench.run.monitor import Monitor, monitor_in_background
from posttrainbench.run.network import egress_policy, network_access
from posttrainbench.run.prepare import run_mounts, task
from posttrainbench.run.progress import ProgressListener
from posttrainbench.run.provenance import Provenance
from posttrainbench.run.recorder import Recorder, clock
from posttrainbench.run.session import open_session, total_usage
from posttrainbench.run.snapshot import secure_workspace, snapshot
from posttrainbench.run.solve_supervisor import STOP
from posttrainbench.sandbox import Limits, load_sandbox
from posttrainbench.submission.canonical import examine
from posttrainbench.trajectory import write_trajectory

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL at the deadline."""
EVALUATIONS = "evaluations.jsonl"
MAX_OUTPUT_BYTES = 512 * 2**20
"""Output beyond this is counted and dropped, so that a runaway agent cannot fill the disk."""


def solve(run: Run, out: Path, listener: ProgressListener) -> None:
    """Run the stage `solve`. The files that it writes are described in `records`."""
    spec = run.spec
    sandbox = load_sandbox(spec.sandbox, spec.image)
    scaffold = load_scaffold(spec.agent.scaffold)
    set_aside(run.workspace)
    policy = egress_policy(spec)
    cached = [] if spec.cold_cache else cache_mounts(machine_cache(), policy)
    mounts = run_mounts(run.root, spec.model) | {mount.role: mount for mount in cached}
    paths = {role: sandbox.locate(mount) for role, mount in mounts.items()}
    variables = {"PTB_KIT": paths["kit"], "PTB_DEADLINE": paths["deadline"]}
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    benchmark = load_benchmark(spec.benchmark)
    if suite.threads is not None:
        variables["OMP_NUM_THREADS"] = str(suite.threads)
    prompt = (run.stage(Stage.PREPARE) / "prompt.md").read_bytes()
    (out / "prompt.md").write_bytes(prompt)
    with ExitStack() as stack:
        gpus = stack.enter_context(reserve_gpus(spec.gpus))
        service = None
        if suite.feedback == "sealed":
            listener.on_message("starting the evaluator")
            with restrict_gpus(gpus):
                service = stack.enter_context(start_evaluator(spec, run.workspace, paths["workspace"], out))
        elif benchmark.graded:
            listener.on_message("starting the grader service")
            grading = (spec.benchmark, spec.model, spec.grader, suite.evaluation_seeds[0], suite.grader_passes)
            service = stack.enter_context(start_grader_service(*grading, out))
        session = stack.enter_context(open_session(spec.agent, sandbox, mounts, out, variables, service, policy))
        create_layer(run.workspace, cached, paths)
        started = datetime.now(UTC)
        recorder = Recorder(out / "output.jsonl", listener, session.redactor, MAX_OUTPUT_BYTES)
        stack.callback(recorder.close)
        deadline = recorder.started + spec.budget
        submission = f"{paths['workspace']}/final_model"
        limits = Limits(**spec.limits.model_dump())
        provenance = Provenance(spec, sandbox, out)
        agent_run = AgentRun(
            session,
            recorder,
            listener,
            prompt,
            submission,
            deadline,
            GRACE_SECONDS,
            limits,
            gpus,
            spec.budget,
            suite.max_provider_away,
            suite.reprompt,
            lambda: _is_whole(run, out, paths["workspace"]),
            out / STOP,
            provenance,
        )
        write_deadline(out / "deadline", deadline)
        integrity = IntegritySnapshot(out / "deadline")

        def move_deadline(moved: float) -> None:
            write_deadline(out / "deadline", moved)
            integrity.read_deadline()

        if suite.give_back:
            agent_run.on_deadline = move_deadline
        requests = out / "egress.jsonl"
        monitor = Monitor(lambda: agent_run.process, run.workspace, requests, gpus, sandbox.network == "host")
        stack.enter_context(monitor_in_background(monitor, out / "monitor.jsonl"))
        keeping = ExitStack()
        if suite.keep_evaluated:
            base = catalog.find(catalog.models(), spec.model, "model").directory
            logs = (run.workspace / EVALUATIONS, out / EVALUATIONS)
            keeping.enter_context(Keeper(run.workspace, out / KEPT, base, logs).in_background())
        listener.on_message(f"{spec.agent.name} is running")
        try:
            with keeping:
                end = agent_run.run_to_completion()
                seconds = clock() - recorder.started
        finally:
            base = _snapshot(run, paths["workspace"], out / FINAL)
            if examine(out / "final_model", base).plan is not None:
                shutil.rmtree(out / KEPT, ignore_errors=True)
    write_json(out / "integrity.json", integrity.diff())
    output, trajectory = out / "output.jsonl", out / "trajectory.json"
    summary = write_trajectory(spec, prompt.decode(), output, trajectory, scaffold.trajectory, started)
    if summary.warning:
        listener.on_message(summary.warning)
    outcome = Outcome(
        end=end,
        exit_code=agent_run.starts[-1].exit_code,
        seconds=seconds,
        output_bytes=recorder.recorded + recorder.dropped,
        output_dropped=recorder.dropped,
        isolation=sandbox.isolation,
        network=network_access(spec, sandbox),
        starts=agent_run.starts,
        limit=agent_run.limit,
        enforcement=dict(agent_run.enforcement),
        gpus=gpus,
        sessions=list(scaffold.sessions),
        clients=list(session.launch.clients),
        provider_away_seconds=agent_run.provider_away,
        processes=agent_run.living,
        trajectory_warning=summary.warning,
        given_back_seconds=agent_run.given_back,
        provenance=provenance.state,
        provenance_note=provenance.note,
    )
    write_json(out / "outcome.json", outcome)
    write_downloads(run.workspace, out / "downloads.json")
    if session.gateway is not None:
        write_json(out / "usage.json", total_usage(session.calls(), started.timestamp()))
    if service is None:
        _copy_evaluations(run.workspace / EVALUATIONS, out / EVALUATIONS)


def write_deadline(path: Path, deadline: float) -> None:
    """Write the file with the deadline, in place, because it is mounted in the sandbox."""
    path.write_text(f"{deadline:.3f}\n")


def _snapshot(run: Run, workspace: str, destination: Path) -> Path:
    """Secure the workspace and take a snapshot of the submission. Return the base model's directory."""
    base = catalog.find(catalog.models(), run.spec.model, "model").directory
    secure_workspace(run.workspace)
    snapshot(run.workspace, workspace, destination, base, task(run.spec, run.root).base_model)
    return base


def _is_whole(run: Run, out: Path, workspace: str) -> bool:
    """Return whether the workspace holds a submission with a complete checkpoint, by a snapshot as at the end."""
    with tempfile.TemporaryDirectory(prefix="snapshot-", dir=out) as folder:
        destination = Path(folder) / "final_model"
        try:
            return examine(destination, _snapshot(run, workspace, destination)).plan is not None
        except OSError:
            return False  # at worst, the agent is prompted once more


def _copy_evaluations(source: Path, destination: Path) -> None:
    """Copy the agent's log of `evaluate.py` calls. It is untrusted: malformed entries and large files are ignored."""
    fields = {"time": float, "items": int, "score": float, "checkpoint": str}
    lines = []
    if source.is_file() and not source.is_symlink() and source.stat().st_size <= 2**20:
        for entry in read_jsonl(source):
            if set(entry) == set(fields) and all(isinstance(entry[key], kind) for key, kind in fields.items()):
                lines.append(json.dumps(entry))
    destination.write_text("".join(f"{line}\n" for line in lines))

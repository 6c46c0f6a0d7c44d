"""Lets the agent work in its sandbox until it ends or the host's deadline comes, and records all it prints."""

import json
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.files import read_jsonl, write_json
from posttrainbench.gateway.grading import start_grader_service
from posttrainbench.gateway.sealed import start_evaluator
from posttrainbench.records import Outcome, Stage
from posttrainbench.run.directory import Run, keep
from posttrainbench.run.gpus import only_gpus, take_gpus
from posttrainbench.run.integrity import Watched
from posttrainbench.run.model_cache import lay_out, lower_mounts, machine_cache, write_downloads
from posttrainbench.run.monitor import Monitor, monitoring
from posttrainbench.run.network import policy_of, what_was_open
from posttrainbench.run.prepare import run_mounts
from posttrainbench.run.recorder import Recorder, clock
from posttrainbench.run.session import open_session, total
from posttrainbench.run.snapshot import make_readable, snapshot
from posttrainbench.run.watch import Watch
from posttrainbench.run.work import Work
from posttrainbench.sandbox import Limits, load_sandbox
from posttrainbench.trajectory import write_trajectory

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL at the deadline."""
KEPT_BYTES = 512 * 2**20
"""Output beyond this is counted and dropped, so that a runaway agent cannot fill the disk."""


def solve(run: Run, out: Path, watch: Watch) -> None:
    """The stage `solve`. See the module's docstring; the files are described in `records`."""
    spec = run.spec
    sandbox = load_sandbox(spec.sandbox, spec.image)
    scaffold = load_scaffold(spec.agent.scaffold)
    keep(run.workspace)
    policy = policy_of(spec)
    lower = [] if spec.cold_cache else lower_mounts(machine_cache(), policy)
    mounts = run_mounts(run.root, spec.model) | {mount.role: mount for mount in lower}
    seen = {role: sandbox.locate(mount) for role, mount in mounts.items()}
    variables = {"PTB_KIT": seen["kit"], "PTB_DEADLINE": seen["deadline"]}
    suite = catalog.find(catalog.suites(), spec.suite, "suite")
    benchmark = catalog.find(catalog.benchmarks(), spec.benchmark, "benchmark")
    if suite.threads is not None:
        variables["OMP_NUM_THREADS"] = str(suite.threads)
    prompt = (run.stage(Stage.PREPARE) / "prompt.md").read_bytes()
    (out / "prompt.md").write_bytes(prompt)
    with ExitStack() as stack:
        gpus = stack.enter_context(take_gpus(spec.gpus))
        service = None
        if suite.feedback == "sealed":
            watch.say("starting the evaluator")
            with only_gpus(gpus):
                service = stack.enter_context(start_evaluator(spec, run.workspace, seen["workspace"], out))
        elif benchmark.graded:
            watch.say("starting the grader service")
            grading = (spec.benchmark, spec.grader, suite.evaluation_seeds[0], suite.grader_passes)
            service = stack.enter_context(start_grader_service(*grading, out))
        session = stack.enter_context(open_session(spec.agent, sandbox, mounts, out, variables, service, policy))
        lay_out(run.workspace, lower, seen)
        started = datetime.now(UTC)
        recorder = Recorder(out / "output.jsonl", watch, session.redactor, KEPT_BYTES)
        stack.callback(recorder.close)
        deadline = recorder.started + spec.budget
        submission = f"{seen['workspace']}/final_model"
        limits = Limits(**spec.limits.model_dump())
        work = Work(session, recorder, watch, prompt, submission, deadline, GRACE_SECONDS, limits, gpus)
        (out / "deadline").write_text(f"{deadline:.3f}\n")
        watched = Watched(out / "deadline")
        requests = out / "egress.jsonl"
        monitor = Monitor(lambda: work.process, run.workspace, requests, gpus, sandbox.network == "host")
        stack.enter_context(monitoring(monitor, out / "monitor.jsonl"))
        watch.say(f"{spec.agent.name} at work")
        try:
            end = work.to_the_end()
        finally:
            make_readable(run.workspace)
            snapshot(run.workspace, seen["workspace"], out / "final_model")
        seconds = clock() - recorder.started
    write_json(out / "integrity.json", watched.compared())
    outcome = Outcome(
        end=end,
        exit_code=work.starts[-1].exit_code,
        seconds=seconds,
        output_bytes=recorder.kept + recorder.dropped,
        output_dropped=recorder.dropped,
        isolation=sandbox.isolation,
        network=what_was_open(spec, sandbox),
        starts=work.starts,
        limit=work.limit,
        enforcement=dict(work.enforcement),
        gpus=gpus,
        sessions=list(scaffold.sessions),
    )
    write_json(out / "outcome.json", outcome)
    write_downloads(run.workspace, out / "downloads.json")
    if session.gateway is not None:
        write_json(out / "usage.json", total(session.calls(), started.timestamp()))
    if service is None:
        _keep_evaluations(run.workspace / "evaluations.jsonl", out / "evaluations.jsonl")
    output, trajectory = out / "output.jsonl", out / "trajectory.json"
    write_trajectory(spec, prompt.decode(), output, trajectory, scaffold.trajectory, started)


def _keep_evaluations(source: Path, destination: Path) -> None:
    """Take over the agent's calls of `evaluate.py`: its own word, so only what has the right shape, and bounded."""
    fields = {"time": float, "items": int, "score": float, "checkpoint": str}
    kept = []
    if source.is_file() and not source.is_symlink() and source.stat().st_size <= 2**20:
        for entry in read_jsonl(source):
            if set(entry) == set(fields) and all(isinstance(entry[key], kind) for key, kind in fields.items()):
                kept.append(json.dumps(entry))
    destination.write_text("".join(f"{line}\n" for line in kept))

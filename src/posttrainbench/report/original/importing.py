"""Write the runs of a results tree of the original as run directories."""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from posttrainbench import __version__, catalog
from posttrainbench.audit.policy import decide
from posttrainbench.catalog import Suite
from posttrainbench.errors import InputError
from posttrainbench.files import close_to_others, require_no_file, sha256_bytes, write_json, write_text
from posttrainbench.records import (
    AgentSpec,
    Coverage,
    ImportedRun,
    Record,
    RunSpec,
    Stage,
    SubmissionManifest,
    Unread,
)
from posttrainbench.report.original.facts import Facts, read_facts
from posttrainbench.report.original.files import OriginalFiles
from posttrainbench.report.original.trace import TraceFile, find_trace, iso, write_lines
from posttrainbench.report.original.tree import FoundRun, Tree, find_runs
from posttrainbench.report.original.workspace import copy_workspace
from posttrainbench.run.directory import EARLIER, Run, now
from posttrainbench.run.imported import IMPORTED, imported_result
from posttrainbench.trajectory import write_trajectory

NOT_RUN = "imported"
"""Stands in `run.json` for the sandbox, engine and grader, which did not run here."""
WEIGHTS = "The results of the original do not include the weights."
MAX_NAME = 180


class FoundEntry(Record):
    """One run of a results tree, as `--dry-run` shows it.

    Attributes:
        run: name of the run directory; empty if the run cannot be imported.
        problem: why it cannot be imported.
        imported: what is known about it.
    """

    source: str
    run: str
    agent: str
    model: str
    benchmark: str
    budget: float | None
    problem: str
    imported: ImportedRun


@dataclass(frozen=True)
class Contents:
    """What a results tree contains."""

    entries: list[FoundEntry]
    unread: list[Unread]


def read_results(results: Path, suite: Suite, out: Path | None) -> Contents:
    """Read a results tree, and write its runs below `out`, which must be new or empty; nothing if it is None.

    Raises:
        InputError: the tree has no run, or `out` is in the way or cannot be written.
    """
    models = {model.id: model.hub for model in catalog.base_models(suite) if model.hub}
    tree: Tree = find_runs(results, models, suite.benchmarks)
    if out is not None:
        _require_empty(out, results)
    return Contents([_read(found, suite, out) for found in tree.runs], tree.unread)


def _require_empty(out: Path, results: Path) -> None:
    if out.resolve().is_relative_to(results.resolve()):
        raise InputError(f"{out} is inside the results, which must not change; choose another directory with --out.")
    require_no_file(out, "--out")
    try:
        out.mkdir(parents=True, exist_ok=True)
        taken = any(out.iterdir())
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror}); choose another directory with --out.") from None
    if taken:
        raise InputError(f"{out} is not empty; choose another directory with --out.")


def _read(found: FoundRun, suite: Suite, out: Path | None) -> FoundEntry:
    files = OriginalFiles(found.path)
    facts, trace = read_facts(found, files), find_trace(files)
    imported = ImportedRun(
        source=found.source,
        time=now(),
        accuracy=facts.accuracy,
        stderr=facts.stderr,
        attempts=facts.attempts,
        seconds=facts.seconds,
        exit_code=facts.exit_code,
        cli_version=facts.cli_version,
        budget_from=facts.budget_from,
        judgements=facts.judgements,
        trace=trace.name if trace else "",
        format=trace.format if trace else "",
        working_directory=trace.working_directory if trace else "",
    )
    problem = "" if facts.budget else "neither its path nor task/timer.sh has a valid time limit"
    if trace is None and facts.accuracy is None and files.locate("task") is None:
        problem = "it has no score, no trace and no workspace"
    name = "" if problem else run_name(found)
    if out is not None and facts.budget and not problem:
        try:
            imported = _write(found, files, facts, trace, suite, imported, out / name)
        except OSError as error:
            raise InputError(f"{out / name} cannot be written ({error.strerror}); free space, or use --out.") from None
    return FoundEntry(
        source=found.source,
        run=name,
        agent=found.agent,
        model=found.model,
        benchmark=found.benchmark,
        budget=facts.budget,
        problem=problem,
        imported=imported.model_copy(update={"unread": files.unread}),
    )


def run_name(found: FoundRun) -> str:
    """Return the name of the run's directory: that of the original, with a hash if it has to be changed."""
    plain = f"{found.agent}--{found.name}"
    name = re.sub(r"[^A-Za-z0-9._-]", "-", plain).lstrip(".-")[:MAX_NAME]
    if name == plain and name.count("--") == 1 and not EARLIER.search(name):
        return name
    return f"{name}-{hashlib.sha256(found.source.encode(errors='surrogateescape')).hexdigest()[:8]}"


def _write(
    found: FoundRun,
    files: OriginalFiles,
    facts: Facts,
    trace: TraceFile | None,
    suite: Suite,
    imported: ImportedRun,
    root: Path,
) -> ImportedRun:
    """Write a run directory. It gets its name when it is complete."""
    partial = root.with_name(f".{root.name}.partial")
    partial.mkdir()
    try:
        close_to_others(partial)
        manifest, copied = copy_workspace(files, partial / "workspace", partial / "prepare" / "kit")
        spec = _specification(found, facts, trace, suite, manifest, root.name)
        write_json(partial / "run.json", spec)
        write_json(partial / "prepare" / "kit.json", dict(manifest))
        write_text(partial / "prepare" / "prompt.md", facts.prompt)
        solve = partial / Stage.SOLVE.folder
        solve.mkdir()
        write_text(solve / "prompt.md", facts.prompt)
        started = None
        if trace is not None:
            started = iso(write_lines(files, trace, solve / "output.jsonl"))
            moment = datetime.fromisoformat(started) if started else None
            output, trajectory = solve / "output.jsonl", solve / "trajectory.json"
            write_trajectory(spec, facts.prompt, output, trajectory, trace.format, moment)
        (partial / Stage.COLLECT.folder).mkdir()
        missing = SubmissionManifest(state="broken", files={}, refused=[], problems=[WEIGHTS], facts=[])
        write_json(partial / Stage.COLLECT.folder / "manifest.json", missing)
        (partial / Stage.EVALUATE.folder).mkdir()
        imported = imported.model_copy(
            update={
                "timed": started is not None,
                "started": started,
                "workspace_files": copied,
                "unread": files.unread,
            }
        )
        write_json(partial / IMPORTED, imported)
        _write_audit(partial, suite, imported, facts)
        partial.rename(root)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return imported


def _write_audit(root: Path, suite: Suite, imported: ImportedRun, facts: Facts) -> None:
    """Write an audit without a search, the result, and the journal."""
    folder = root / Stage.AUDIT.folder
    folder.mkdir()
    rules = catalog.find(catalog.rule_sets(), suite.rules, "rule set")
    note = "imported; the files were not searched yet"
    coverage = [
        Coverage(detector="import", rule=rule, checked=False, documents=0, size=0, seconds=0.0, skipped=[], note=note)
        for rule in rules.rules
    ]
    verdict = decide(rules, [], coverage, suite.required)
    write_text(folder / "findings.jsonl", "")
    write_json(folder / "coverage.json", [entry.model_dump(mode="json") for entry in coverage])
    write_json(folder / "verdict.json", verdict)
    run = Run(root)
    write_json(root / "result.json", imported_result(run, imported, verdict, []))
    for stage in Stage:
        run.log(stage, "done", seconds=facts.seconds or 0.0 if stage is Stage.SOLVE else 0.0, detail="imported")


def _specification(
    found: FoundRun, facts: Facts, trace: TraceFile | None, suite: Suite, kit: dict[str, str], name: str
) -> RunSpec:
    scaffold = trace.format if trace else NOT_RUN
    return RunSpec(
        run=name,
        created=now(),
        agent=AgentSpec(name=found.agent, scaffold=scaffold),
        model=found.model,
        benchmark=found.benchmark,
        suite=suite.id,
        budget=facts.budget or 0.0,
        seed=found.repetition,
        rules=suite.rules,
        sandbox=NOT_RUN,
        network="open",
        provenance=False,
        engine=NOT_RUN,
        grader=NOT_RUN,
        prompt_sha256=sha256_bytes(facts.prompt.encode()),
        kit_sha256=sha256_bytes(json.dumps(kit).encode()),
        model_sha256="",
        versions={"posttrainbench": __version__},
        host={},
    )

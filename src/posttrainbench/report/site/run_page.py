"""The page of one run, with its trace viewer, its files and its items."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.audit.adjudication import read_adjudications
from posttrainbench.audit.integrity.evaluations import OwnEvaluation
from posttrainbench.audit.integrity.metrics import OWN_EVALUATIONS
from posttrainbench.audit.summary import AuditSummary, FindingSummary, summarize
from posttrainbench.errors import InputError, one_line
from posttrainbench.records import (
    ImportedRun,
    JournalEntry,
    ModelUsage,
    Outcome,
    Quote,
    Result,
    Stage,
    Status,
    SubmissionManifest,
)
from posttrainbench.report.site.run_activity import (
    Destination,
    StageBar,
    destinations,
    evaluation_chart,
    monitor_charts,
    own_evaluations,
    read_outcome,
    solve_folder,
    started_at,
    timeline,
)
from posttrainbench.report.site.run_charts import Chart
from posttrainbench.report.site.run_facts import run_facts
from posttrainbench.report.site.run_files import FileIndex, write_files
from posttrainbench.report.site.run_findings import COUNTING, RuleCard, rule_cards
from posttrainbench.report.site.run_items import ItemResults, write_items
from posttrainbench.report.site.run_methods import Methods, find_methods
from posttrainbench.report.site.run_why import why
from posttrainbench.report.site.shell import write_page
from posttrainbench.report.site.trace_data import Trace
from posttrainbench.report.site.trace_page import write_trace_page
from posttrainbench.report.text import plain
from posttrainbench.run import Run
from posttrainbench.run.audit import read_audit
from posttrainbench.run.imported import imported_run
from posttrainbench.scoring.remarks import remarks, restart_remark
from posttrainbench.untrusted import UnreadableError, read_below

R = TypeVar("R", SubmissionManifest, ModelUsage)
MANIFEST_FILES = 60
STATUS = {
    Status.SCORED: "scored",
    Status.BASE_FALLBACK: "reset to base",
    Status.INFRASTRUCTURE_ERROR: "infrastructure error",
    Status.NOT_AUDITED: "not audited",
}


class Peer(NamedTuple):
    """Another run that the page offers to compare with: its name, and the link from the top of the site."""

    name: str
    href: str


@dataclass(frozen=True)
class ScoreBar:
    """Position of the scores on an axis from 0 to `top`, in percent of its width; None if unknown."""

    top: str
    score: float | None
    raw: float | None
    base: float | None
    instruct: float | None


@dataclass
class RunPage:
    """Content of the page. Texts in it are harmless; `absent` has one sentence for each part that is missing.

    Attributes:
        why: three sentences; see `run_why`.
        details: all reasons and notes of the result.
        facts: label and value of the settings and totals.
        trace: what was written, or a sentence.
        evaluated: what the audit states of the agent's own evaluations; "" if nothing.
        chart: the agent's own evaluations.
        requests: network requests by destination; `hidden_requests` more are not listed.
        attempts: names of the directories with earlier tries of stages.
    """

    heading: str
    result: Result | None
    status: str
    kind: str
    bar: ScoreBar | None
    why: list[str]
    details: list[str]
    facts: list[tuple[str, str]]
    trace: Trace | str
    rules: list[RuleCard] = field(default_factory=list)
    bars: list[StageBar] = field(default_factory=list)
    attempts: list[str] = field(default_factory=list)
    outcome: Outcome | None = None
    monitor: list[Chart] = field(default_factory=list)
    evaluations: list[OwnEvaluation] = field(default_factory=list)
    evaluated: str = ""
    started: float = 0.0
    chart: Chart | None = None
    requests: list[Destination] = field(default_factory=list)
    hidden_requests: int = 0
    manifest: SubmissionManifest | None = None
    hidden_files: int = 0
    items: ItemResults | None = None
    files: FileIndex = field(default_factory=FileIndex)
    methods: Methods = field(default_factory=lambda: Methods(0, []))
    imported: ImportedRun | None = None
    absent: dict[str, str] = field(default_factory=dict)


def write_run_page(
    run: Run,
    directory: Path,
    depth: int,
    place: str = "",
    viewed: Collection[str] = (),
    peers: Sequence[Peer] = (),
) -> None:
    """Write the page of a run and what it needs: `index.html`, `trace.html`, `files.html` and data files.

    Parts that are missing or damaged are named on the page. Strangers' files may provoke any other error, which the
    page then names, so that one run never prevents a site.

    Args:
        run: the run.
        directory: created if it does not exist.
        depth: number of directories between `directory` and the top of the site.
        place: path of `directory` from the top of the site.
        viewed: names of the run's logs that Inspect's viewer on the site has.
        peers: runs to compare with.
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        _write_page(run, directory, depth, place, viewed, peers)
    except Exception as error:
        reason = f"This page cannot be made: {one_line(error) or type(error).__name__}"
        shared: dict[str, Any] = {"active": "runs", "reason": reason}
        write_page(directory / "index.html", "unreadable.html.jinja", title=run.root.name, depth=depth, **shared)


def _write_page(
    run: Run, directory: Path, depth: int, place: str, viewed: Collection[str], peers: Sequence[Peer]
) -> None:
    page, audit = _gather(run, directory, depth)
    page.items = write_items(run.root / Stage.EVALUATE.folder, directory, place, viewed)
    _name_absent(page, solve_folder(run.root), run)
    _link(page, audit, run, directory)
    shared: dict[str, Any] = {
        "active": "runs",
        "page": page,
        "spec": run.spec,
        "in_viewer": bool(viewed),
        "peers": peers,
    }
    write_page(directory / "index.html", "run.html.jinja", title=page.heading, depth=depth, **shared)
    if page.files.numbers:
        title = f"Files of {page.heading}"
        write_page(directory / "files.html", "files.html.jinja", title=title, depth=depth, **shared)


def _gather(run: Run, directory: Path, depth: int) -> tuple[RunPage, AuditSummary | None]:
    """Read the run except its items, and write its trace."""
    spec, folder, absent = run.spec, solve_folder(run.root), dict[str, str]()
    heading = f"{plain(spec.agent.name)} · {plain(spec.model)} · {plain(spec.benchmark)} · seed {spec.seed}"
    result, journal, imported = _result(run, absent), _journal(run, absent), _imported(run, absent)
    outcome, audit = read_outcome(folder), _audit(run, absent)
    manifest = _record(run.root, run.root / Stage.COLLECT.folder / "manifest.json", SubmissionManifest)
    benchmark = catalog.benchmarks().get(spec.benchmark)
    evaluations = own_evaluations(folder, run.workspace, spec, benchmark.test_items if benchmark else 0)
    started = started_at(folder, journal, spec.created)
    findings = audit.findings if audit else []
    counting = [one for one in findings if one.state in COUNTING]
    last = next((entry for entry in reversed(journal) if entry.event in ("failed", "interrupted")), None)
    stage = next((one for one in Stage if not _is_done(run, one, result)), None)
    status, kind = _status(result, bool(journal))
    requests, all_requests = destinations(folder)
    page = RunPage(
        heading=heading,
        result=result,
        status=status,
        kind=kind,
        bar=_score_bar(result),
        why=why(
            result,
            benchmark=spec.benchmark,
            stage=_failed_stage(last) if result and result.status is Status.INFRASTRUCTURE_ERROR else stage,
            problem=plain(last.detail or last.cause or "", 300).rstrip(".") if last else "",
            manifest=manifest,
            findings=_by_weight(counting),
            coverage=audit.coverage if audit else [],
            imported=imported is not None,
        ),
        details=_details(result),
        facts=run_facts(
            run,
            outcome,
            _record(run.root, folder / "usage.json", ModelUsage),
            imported,
            audit.rule_set if audit else "",
        ),
        trace=write_trace_page(
            run,
            directory,
            depth,
            heading,
            [(one.time, one.score, one.items) for one in evaluations],
            outcome.trajectory_warning if outcome else "",
        ),
        bars=timeline(journal),
        attempts=[plain(path.name) for one in Stage for path in run.attempts(one)],
        outcome=outcome,
        monitor=monitor_charts(folder),
        evaluations=evaluations,
        evaluated=next((plain(one.summary, 500) for one in findings if one.basis == OWN_EVALUATIONS), ""),
        started=started,
        chart=evaluation_chart(evaluations, started, started + (outcome.seconds if outcome else 0.0)),
        requests=requests,
        hidden_requests=all_requests - len(requests),
        manifest=manifest,
        hidden_files=max(0, len(manifest.files) - MANIFEST_FILES) if manifest else 0,
        imported=imported,
        absent=absent,
    )
    return page, audit


def _link(page: RunPage, audit: AuditSummary | None, run: Run, directory: Path) -> None:
    """Write the files, and add the verdict cards, which link to them and to the trace."""
    quotes = [quote for finding in audit.findings for quote in finding.evidence] if audit else []
    methods = find_methods(run.root)
    wanted = [*((quote.file, quote.line) for quote in quotes), *methods.places()]
    page.files = write_files(run.root, directory, wanted)
    page.methods = methods.linked(page.files.link)
    anchors = page.trace.anchors if isinstance(page.trace, Trace) else {}

    def link(quote: Quote) -> str:
        if quote.file == "solve/trajectory.json":
            anchor = anchors.get(quote.line or 0)
            return f"trace.html#{anchor}" if anchor else ""
        return page.files.link(quote.file, quote.line)

    if audit is not None:
        page.rules = rule_cards(audit, link)


def _result(run: Run, absent: dict[str, str]) -> Result | None:
    try:
        return run.result()
    except InputError as error:
        absent["result"] = plain(one_line(error), 400)
        return None


def _is_done(run: Run, stage: Stage, result: Result | None) -> bool:
    if stage is Stage.SETTLE:
        return result is not None and result.status is not Status.INFRASTRUCTURE_ERROR
    return run.is_done(stage)


def _failed_stage(last: JournalEntry | None) -> Stage | None:
    return last.stage if last else None


def _journal(run: Run, absent: dict[str, str]) -> list[JournalEntry]:
    try:
        return run.journal()
    except InputError as error:
        absent["timeline"] = plain(one_line(error), 400)
        return []


def _imported(run: Run, absent: dict[str, str]) -> ImportedRun | None:
    try:
        return imported_run(run)
    except InputError as error:
        absent["imported"] = plain(one_line(error), 400)
        return None


def _audit(run: Run, absent: dict[str, str]) -> AuditSummary | None:
    folder = run.stage(Stage.AUDIT)
    if not folder.is_dir():
        absent["audit"] = "There is no audit: the run did not get so far."
        return None
    try:
        findings, coverage, verdict = read_audit(folder)
        rules = catalog.find(catalog.rule_sets(), verdict.rule_set, "rule set")
        return summarize(str(run.root), rules, findings, coverage, verdict, read_adjudications(folder))
    except InputError as error:
        absent["audit"] = plain(f"The audit cannot be shown: {one_line(error)}", 400)
        return None


def _record(run: Path, path: Path, record: type[R]) -> R | None:
    """Return a record; None if there is none or it is damaged."""
    try:
        return record.model_validate_json(read_below(run, path))
    except (OSError, ValidationError, UnreadableError):
        return None


def _by_weight(findings: Sequence[FindingSummary]) -> list[FindingSummary]:
    """Return proofs first."""
    return sorted(findings, key=lambda one: (one.kind != "proof", -one.level.rank))


def _status(result: Result | None, begun: bool) -> tuple[str, str]:
    """Return the status for readers, and its CSS class."""
    if result is None:
        return ("unfinished" if begun else "not started"), "unfinished"
    return STATUS[result.status] + (", suspected" if result.suspected else ""), result.status.value


def _score_bar(result: Result | None) -> ScoreBar | None:
    if result is None or (result.score is None and result.raw_score is None):
        return None
    values = (result.score, result.raw_score, result.base_score, result.instruct_score)
    top = min(1.0, max(0.1, *(1.08 * value for value in values if value is not None)))

    def at(value: float | None) -> float | None:
        return None if value is None else round(100 * min(1.0, max(0.0, value) / top), 2)

    return ScoreBar(f"{100 * top:.0f}", *map(at, values))


def _details(result: Result | None) -> list[str]:
    if result is None:
        return []
    sentences = [*result.reasons, *filter(None, [restart_remark(result), *remarks(result)])]
    return [plain(sentence, 800) for sentence in sentences]


def _name_absent(page: RunPage, folder: Path, run: Run) -> None:
    """Add the sentences on missing parts."""
    sentences = dict(_absent(page, folder, run))
    page.absent = {**sentences, **page.absent}


def _absent(page: RunPage, folder: Path, run: Run) -> Iterator[tuple[str, str]]:
    imported, worked = page.imported is not None, folder.is_dir()
    if not page.bars:
        yield "timeline", "The run has not been started." if not imported else "An imported run has no journal."
    if not page.monitor:
        if imported:
            yield "monitor", "An imported run has no record of resources."
        else:
            yield "monitor", "The record has too few samples to draw." if worked else "The agent has not been started."
    if not page.evaluations:
        what = "No score of these evaluations" if page.evaluated else "No evaluation by the agent"
        yield "evaluations", f"{what} is on record."
    if not page.requests:
        yield "network", _no_requests(page.outcome, imported)
    if page.manifest is None:
        yield (
            "submission",
            (
                "An imported run has no submission."
                if imported
                else "There is no submission: the run did not get so far."
            ),
        )
    if page.items is None:
        if imported:
            text = "An imported run has no results of single items."
        elif run.is_done(Stage.EVALUATE):
            text = "The submission was not evaluated, so there are no results of single items."
        else:
            text = "There are no results of single items: the run did not get so far."
        yield "items", text


def _no_requests(outcome: Outcome | None, imported: bool) -> str:
    if imported:
        return "An imported run has no record of network requests."
    if outcome is None:
        return "There is no record of network requests."
    if outcome.network == "none":
        return "The agent had no network."
    if outcome.network == "host":
        return "The agent used the machine's network without a record."
    return "The agent made no network request."

"""Summarize a run directory in one flat record, for tables of many runs. A damaged run gets a summary with the reason.

Running agents and evaluations are followed: their time, tokens, dollars and accuracy are those so far.
"""

import json
import time
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from posttrainbench.errors import InputError, PtbError, one_line
from posttrainbench.files import read_jsonl
from posttrainbench.records import JournalEntry, ModelUsage, RunSpec, Stage, Status
from posttrainbench.run.directory import Run, is_busy
from posttrainbench.run.recorder import clock
from posttrainbench.run.solve_supervisor import runs_here
from posttrainbench.run.stage_tries import stage_tries
from posttrainbench.run.status import agent_state
from posttrainbench.usage.calls import Spending, spending

DAMAGED = "damaged"
UNFINISHED = "unfinished"
STATES = (*(str(status) for status in Status), "suspected", "working", "interrupted", "waiting", DAMAGED)
"""What a run can be; `suspected` is a scored run that waits for a review."""


class RunSummary(NamedTuple):
    """One run, as far as it has got. A tuple, because thousands are read at once.

    Attributes:
        path: absolute path of the directory.
        state: one of `STATES`.
        status: status of the result, `unfinished`, or `damaged`.
        stage: the first unfinished stage, or `done`.
        agent_state: see `status.agent_state`.
        begun: whether a stage has been started.
        busy: whether a process is working on the run.
        created: seconds since 1970.
        elapsed: seconds that the stages have taken, without pauses between them.
        left: seconds that a running agent has left; None if no agent is running.
        tokens: input and output tokens of the agent; None for an agent without model calls.
        dollars: their cost, as far as the prices are known.
        unpriced: model calls of unknown price.
        accuracy: mean over the items that a running evaluation has scored; None if none is running.
        items: number of these items.
        total: number of items of the whole evaluation; 0 if unknown.
        problem: why the run is damaged, in one sentence.
    """

    path: str
    state: str = DAMAGED
    status: str = DAMAGED
    run: str = ""
    agent: str = ""
    model: str = ""
    benchmark: str = ""
    suite: str = ""
    seed: int = 0
    budget: float = 0.0
    stage: str = ""
    agent_state: str = ""
    begun: bool = False
    busy: bool = False
    created: float = 0.0
    elapsed: float = 0.0
    left: float | None = None
    tokens: int | None = None
    dollars: float | None = None
    unpriced: int = 0
    accuracy: float | None = None
    items: int = 0
    total: int = 0
    score: float | None = None
    raw_score: float | None = None
    problem: str = ""

    @property
    def live(self) -> bool:
        """True if the summary changes with time."""
        return self.busy or self.agent_state == "running"

    def to_json(self) -> str:
        """Return the values as JSON."""
        return json.dumps(self)


def summarize(root: Path) -> RunSummary:
    """Return the summary of a run, whatever state its directory is in."""
    summary = RunSummary(str(root))
    for last in (False, True):
        try:
            run = Run(root)
            summary = _specified(summary, run.spec)
            return _progress(summary, run)
        except (PtbError, OSError, ValueError, RecursionError) as error:
            if last or not isinstance(error, FileNotFoundError):  # a stage that has just finished renames its directory
                return summary._replace(problem=one_line(error))
    raise AssertionError


def _specified(summary: RunSummary, spec: RunSpec) -> RunSummary:
    return summary._replace(
        run=spec.run,
        agent=spec.agent.name,
        model=spec.model,
        benchmark=spec.benchmark,
        suite=spec.suite,
        seed=spec.seed,
        budget=spec.budget,
        created=_seconds(spec.created),
    )


def _progress(summary: RunSummary, run: Run) -> RunSummary:
    result, stage, journal = run.result(), run.next_stage(), run.journal()
    busy, agent = is_busy(run), agent_state(run)
    used = _usage(run)
    summary = summary._replace(
        status=str(result.status) if result else UNFINISHED,
        stage=str(stage) if stage else "done",
        agent_state=agent,
        begun=bool(journal),
        busy=busy,
        elapsed=_elapsed(journal, busy or agent == "running"),
        left=seconds_left(run) if agent == "running" else None,
        tokens=used.tokens if used else None,
        dollars=used.dollars if used else None,
        unpriced=used.unpriced if used else 0,
        score=result.score if result else None,
        raw_score=result.raw_score if result else None,
    )
    if stage is Stage.EVALUATE:
        accuracy, items, total = _accuracy(run.root / f"{stage.folder}.partial" / "items.jsonl")
        summary = summary._replace(accuracy=accuracy, items=items, total=total)
    return summary._replace(state=_state(summary, bool(result and result.suspected)))


def _state(summary: RunSummary, suspected: bool) -> str:
    if summary.live and summary.stage != "done":
        return "working"
    if summary.status == UNFINISHED:
        return "interrupted" if summary.begun else "waiting"
    return "suspected" if suspected and summary.status == Status.SCORED else summary.status


def _elapsed(journal: Iterable[JournalEntry], working: bool) -> float:
    """Return the time of all attempts at all stages; that of the current one up to now, if a process works on it."""
    tries = stage_tries(journal)
    total = sum(each.seconds for each in tries)
    if working and tries and tries[-1].last is None:
        total += max(0.0, time.time() - _seconds(tries[-1].first.time))
    return total


def seconds_left(run: Run) -> float | None:
    """Return the time that a running agent has left; None before its deadline is set."""
    partial = run.root / f"{Stage.SOLVE.folder}.partial"
    try:
        if runs_here(partial):
            return max(0.0, float((partial / "deadline").read_text()) - clock())
        return max(0.0, (partial / "prompt.md").stat().st_mtime + run.spec.budget - time.time())
    except (OSError, ValueError):
        return None


def _usage(run: Run) -> Spending | None:
    """Return the agent's usage of its model; None if it has no model or has not started."""
    if run.is_done(Stage.SOLVE):
        path = run.stage(Stage.SOLVE) / "usage.json"
        try:
            used = ModelUsage.model_validate_json(path.read_text())
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise InputError(f"{path} is damaged; restore it. {one_line(error)}") from None
        return Spending(used.requests, used.input + used.output, used.cost, used.unpriced)
    calls = run.root / f"{Stage.SOLVE.folder}.partial" / "usage.jsonl"
    return spending(calls) if calls.is_file() else None


def _accuracy(path: Path) -> tuple[float | None, int, int]:
    """Return the weighted mean over the items that the current configuration has scored, their number, and that of all.

    The number of all items is 0 if it is unknown.
    """
    rows = [row for row in read_jsonl(path) if isinstance(row.get("score"), float) and "weight" in row]
    current = [row for row in rows if row.get("configuration") == rows[-1].get("configuration")]
    weight = sum(row["weight"] for row in current)
    mean = sum(row["score"] * row["weight"] for row in current) / weight if weight else None
    total = rows[-1].get("total") if rows else None
    return mean, len(current), total if isinstance(total, int) and total >= len(current) else 0


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()

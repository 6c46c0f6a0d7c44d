"""What happened in a run: its stages over time, the agent's resources, network requests and own evaluations."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pydantic import ValidationError

from posttrainbench.audit.integrity.evaluations import OwnEvaluation, read_evaluations
from posttrainbench.records import EgressRequest, JournalEntry, MonitorSample, Outcome, RunSpec, Stage
from posttrainbench.records.units import short_duration
from posttrainbench.report.site.run_charts import Chart, line_chart
from posttrainbench.report.text import plain
from posttrainbench.run.stage_tries import moment, stage_tries
from posttrainbench.untrusted import UnreadableError, read_below, read_lines_below

LINES = 200_000
"""Most lines of a record that are read."""
DESTINATIONS = 200
ENDS = {
    "done": "finished",
    "failed": "failed",
    "interrupted": "interrupted",
}


@dataclass(frozen=True)
class StageBar:
    """One try of a stage.

    Attributes:
        state: `finished`, `failed`, `interrupted`, `started` (no end on record) or `repeated`.
        start, width: percent of the whole time.
        duration: as text; "" if unknown.
        when: start time, ISO 8601 without fractions.
        note: cause of a failure.
    """

    stage: str
    state: str
    start: float
    width: float
    duration: str
    when: str
    note: str


def timeline(journal: Sequence[JournalEntry]) -> list[StageBar]:
    """Return a bar for each try of a stage, in order. Times in which nobody worked on the run are cut out."""
    tries = stage_tries(journal)
    lengths = [each.seconds for each in tries]
    whole = sum(lengths) or 1.0
    bars, passed = [], 0.0
    for each, length in zip(tries, lengths, strict=True):
        first, last = each.first, each.last
        again = first.event == "again"
        bars.append(
            StageBar(
                stage=str(first.stage),
                state="repeated" if again else ENDS.get(last.event, "started") if last else "started",
                start=round(100 * passed / whole, 3),
                width=round(max(0.4, 100 * length / whole), 3),
                duration="" if again or last is None else short_duration(length) if length >= 1 else "under 1s",
                when=first.time[:19].replace("T", " "),
                note=plain(" ".join(filter(None, [last.cause, last.detail])), 400) if last else "",
            )
        )
        passed += length
    return bars


def solve_folder(run: Path) -> Path:
    """Return the directory of the agent's records, also while the agent works."""
    finished = run / Stage.SOLVE.folder
    return finished if finished.is_dir() else run / f"{Stage.SOLVE.folder}.partial"


def monitor_charts(folder: Path) -> list[Chart]:
    """Return charts of the agent's resources from `monitor.jsonl`."""
    samples = []
    for row in _rows(folder, folder / "monitor.jsonl"):
        try:
            samples.append(MonitorSample.model_validate(row))
        except ValidationError:
            continue
    gpus = sorted({gpu.index for sample in samples for gpu in sample.gpus})
    lines: list[tuple[str, list[tuple[float, float]], str]] = [
        ("CPU", [(one.t, 100 * one.cpu) for one in samples], "%"),
        ("Memory", [(one.t, one.memory) for one in samples], "B"),
        ("Disk in the workspace", [(one.t, one.disk) for one in samples if one.disk is not None], "B"),
        ("Processes", [(one.t, one.processes) for one in samples], ""),
        ("Network received", [(one.t, one.received) for one in samples if one.received is not None], "B"),
    ]
    for index in gpus[:8]:
        own = [(one.t, gpu) for one in samples for gpu in one.gpus if gpu.index == index]
        busy = [(t, 100 * gpu.busy) for t, gpu in own if gpu.busy is not None]
        lines.append((f"GPU {index} utilization", busy, "%"))
        lines.append((f"GPU {index} memory", [(t, gpu.memory) for t, gpu in own], "B"))
    charts = (line_chart(title, values, unit) for title, values, unit in lines if any(value for _, value in values))
    return [chart for chart in charts if chart is not None]


def own_evaluations(folder: Path, workspace: Path, spec: RunSpec, test_items: int) -> list[OwnEvaluation]:
    """Return the agent's evaluations in order; of a working agent, as it logs them itself.

    Args:
        folder: directory of the agent's records.
        workspace: of the run.
        spec: of the run.
        test_items: number of the benchmark's test items; 0 if unknown.
    """
    path = folder / "evaluations.jsonl"
    if not path.is_file():
        path = workspace / "evaluations.jsonl"
    return read_evaluations(_rows(folder, path), spec, test_items)


def evaluation_chart(evaluations: Sequence[OwnEvaluation], started: float, end: float) -> Chart | None:
    """Return a chart of the evaluations, from the agent's start to its end, both in seconds since 1970."""
    values = [(max(0.0, one.time - started), 100 * one.score) for one in evaluations if 0 <= one.score <= 1]
    return line_chart("Score", values, "%", end=max(0.0, end - started), dots=True)


@dataclass
class Destination:
    """All requests to one destination with the same outcome.

    Attributes:
        statuses: number of responses by status.
        first, last: seconds since the agent's start, as text.
    """

    host: str
    kind: str
    repo: str
    decision: str
    reason: str
    count: int = 0
    sent: int = 0
    received: int = 0
    statuses: dict[str, int] = field(default_factory=dict)
    first: float = 0.0
    last: float = 0.0


def destinations(folder: Path) -> tuple[list[Destination], int]:
    """Return the requests in `egress.jsonl` by destination, denied ones first, and the number of all destinations."""
    found: dict[tuple[str, ...], Destination] = {}
    for row in _rows(folder, folder / "egress.jsonl"):
        try:
            one = EgressRequest.model_validate(row)
        except ValidationError:
            continue
        key = (one.host, str(one.port), one.kind, one.repo or "", one.decision, one.reason)
        group = found.get(key)
        if group is None:
            host = plain(one.host, 120) + (f":{one.port}" if one.port not in (80, 443) else "")
            group = found[key] = Destination(
                host, one.kind.replace("_", " "), plain(one.repo or "", 120), one.decision, plain(one.reason, 200)
            )
            group.first = one.time
        group.count += 1
        group.sent += one.sent
        group.received += one.received
        status = str(one.status or "none")
        group.statuses[status] = group.statuses.get(status, 0) + 1
        group.last = one.time
    ordered = sorted(found.values(), key=lambda one: (one.decision != "denied", -one.count))
    return ordered[:DESTINATIONS], len(ordered)


def read_outcome(folder: Path) -> Outcome | None:
    """Return how the agent ended; None if that is not recorded or damaged."""
    try:
        return Outcome.model_validate_json(read_below(folder.parent, folder / "outcome.json"))
    except (OSError, ValidationError, UnreadableError):
        return None


def _rows(folder: Path, path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a record of the run that contains `folder`; none of one that cannot be read."""
    with suppress(UnreadableError):
        yield from islice(read_lines_below(folder.parent, path), LINES)


def started_at(folder: Path, journal: Sequence[JournalEntry], created: str) -> float:
    """Return the agent's start in seconds since 1970: by the host's record, the journal, or the run's creation."""
    try:
        return float(json.loads(read_below(folder.parent, folder / "integrity.json"))["started"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError, UnreadableError):
        times = [entry.time for entry in journal if entry.stage is Stage.SOLVE and entry.event == "start"]
        return moment(times[-1] if times else created)

"""Writes the leaderboard, the list of runs, and the files for download."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from posttrainbench import __version__
from posttrainbench.files import sha256_bytes
from posttrainbench.report.site.groups import Group
from posttrainbench.report.site.runs import Experiments, SiteRun
from posttrainbench.report.site.shell import link_path, write_file, write_page
from posttrainbench.report.site.standings import Table, status_name, table
from posttrainbench.report.table_formats import as_csv, csv_text
from posttrainbench.report.text import plain

MAX_VERSIONS = 12
"""Packages whose versions are listed."""


@dataclass(frozen=True)
class Origin:
    """When and with what the runs of a group were made, and how to cite them."""

    first: str
    last: str
    versions: str
    digest: str
    citation: str


@dataclass(frozen=True)
class Entry:
    """A line in the list of runs; `words` are searched."""

    run: SiteRun
    table: str
    agent: str
    model: str
    benchmark: str
    status: str
    kind: str
    rules: list[tuple[str, str]]
    reason: str

    @property
    def words(self) -> str:
        """All words of the line, in lower case."""
        parts = [self.agent, self.model, self.benchmark, self.status, *(rule for rule, _ in self.rules), self.reason]
        return " ".join(parts).lower()


def write_leaderboard(content: Experiments, groups: Sequence[Group], out: Path) -> tuple[int, list[Table]]:
    """Write `index.html` and `data/`; return the size of the page, and its tables."""
    tables = [table(group) for group in groups if group.board is not None]
    origins = {each.group.id: _write_data(each, out / "data") for each in tables}
    size = write_page(
        out / "index.html",
        "leaderboard.html.jinja",
        title="PostTrainBench leaderboard",
        depth=0,
        active="leaderboard",
        content=content,
        tables=tables,
        refused=[group for group in groups if group.board is None],
        origins=origins,
        date=datetime.now(UTC).date().isoformat(),
    )
    return size, tables


def write_runs(content: Experiments, groups: Sequence[Group], out: Path) -> None:
    """Write the list of all runs."""
    tables = {id(run): group.id for group in groups for run in group.runs}
    runs = sorted(content.runs, key=lambda r: (r.cell.agent, r.cell.benchmark, r.cell.model, r.cell.seed, r.place))
    write_page(
        out / "runs" / "index.html",
        "runs.html.jinja",
        title="Runs",
        depth=1,
        active="runs",
        groups=groups,
        entries=[_entry(run, tables.get(id(run), "")) for run in runs],
        damaged=content.damaged,
    )


def _entry(run: SiteRun, group: str) -> Entry:
    cell, result = run.cell, run.cell.result
    return Entry(
        run=run,
        table=group,
        agent=plain(cell.agent),
        model=plain(cell.model),
        benchmark=plain(cell.benchmark),
        status=status_name(run),
        kind=str(cell.status) if cell.status else "unfinished",
        rules=[(plain(rule), state) for rule, state in result.verdict.items() if state != "clean"] if result else [],
        reason=plain(result.reasons[0], 200) if result and result.reasons else "",
    )


def _write_data(own: Table, folder: Path) -> Origin:
    """Write a leaderboard as CSV and JSON."""
    group, board = own.group, own.group.board
    assert board is not None  # noqa: S101 tables have one
    document = {
        "suite": group.suite,
        "rules": group.rules,
        "budget": group.budget,
        "prompt": group.prompt,
        "leaderboard": board.model_dump(mode="json"),
        "usage": {
            line.row.agent: {"dollars": line.usage.dollars, "seconds": line.usage.seconds, "tokens": line.usage.tokens}
            for line in own.lines
        },
        "runs": [_record(run) for run in group.runs],
    }
    data = (json.dumps(document, indent=1) + "\n").encode()
    write_file(folder / f"{group.id}.json", data)
    write_file(folder / f"{group.id}.csv", as_csv(board).encode())
    write_file(folder / f"{group.id}-runs.csv", _runs_csv(group.runs).encode())
    return _origin(group, sha256_bytes(data))


def _record(run: SiteRun) -> dict[str, Any]:
    cell = run.cell
    return {
        "run": cell.run,
        "experiment": run.experiment,
        "agent": cell.agent,
        "scaffold": cell.spec.agent.scaffold,
        "model": cell.model,
        "benchmark": cell.benchmark,
        "seed": cell.seed,
        "status": str(cell.status) if cell.status else "unfinished",
        "score": cell.score,
        "raw_score": cell.raw_score,
        "base_score": cell.base.score if cell.base else None,
        "instruct_score": cell.instruct.score if cell.instruct else None,
        "suspected": cell.suspected,
        "seconds": run.seconds,
        "dollars": run.dollars,
        "tokens": run.tokens,
        "page": run.href,
    }


def _runs_csv(runs: Sequence[SiteRun]) -> str:
    file = io.StringIO()
    records = [_record(run) for run in runs]
    writer = csv.DictWriter(file, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(
        {key: csv_text(value) if isinstance(value, str) else value for key, value in record.items()}
        for record in records
    )
    return file.getvalue()


def _origin(group: Group, digest: str) -> Origin:
    specs = [run.cell.spec for run in group.runs]
    created = sorted(spec.created[:10] for spec in specs)
    versions: dict[str, set[str]] = {}
    for spec in specs:
        for name, version in spec.versions.items():
            versions.setdefault(name, set()).add(version)
    listed = [f"{plain(name)} {plain(', '.join(sorted(each)))}" for name, each in sorted(versions.items())]
    runs = f"{len(specs)} run{'' if len(specs) == 1 else 's'}"
    citation = (
        f"@misc{{posttrainbench-{link_path(group.suite)}-{created[-1]},\n"
        f"  title = {{PostTrainBench leaderboard, {plain(group.name)}}},\n"
        f"  note = {{{runs} of {created[0]} to {created[-1]}, posttrainbench {__version__}, "
        f"SHA-256 {digest[:16]}}},\n"
        f"  year = {{{created[-1][:4]}}},\n"
        "}"
    )
    more = f" and {len(listed) - MAX_VERSIONS} more" if len(listed) > MAX_VERSIONS else ""
    return Origin(
        plain(created[0]), plain(created[-1]), "; ".join(listed[:MAX_VERSIONS]) + more, digest, plain_lines(citation)
    )


def plain_lines(text: str) -> str:
    """Return text with its line breaks, each line made harmless."""
    return "\n".join(" " * (len(line) - len(line.lstrip())) + plain(line, 400) for line in text.split("\n"))

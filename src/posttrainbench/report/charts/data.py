"""The numbers in the charts, as lists of flat records. Scores are in percent, names are harmless texts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from posttrainbench.report.site.standings import AgentLine, Table
from posttrainbench.report.text import plain

Records = list[dict[str, Any]]

NAME_LIMIT = 40
"""Characters of a name in a chart."""


def against(tables: Sequence[Table], cost: str) -> Records:
    """Return agents with their score, and the mean hours or dollars of a run.

    Args:
        tables: the first one is charted.
        cost: `hours` or `dollars`.

    Returns:
        Records with `agent`, `scaffold`, `score`, `cost`, `front` (no other agent scores as much for less).
    """
    records = []
    for line in tables[0].lines:
        spent = line.usage.dollars if cost == "dollars" else line.usage.seconds
        if line.row.overall is not None and spent is not None:
            value = spent if cost == "dollars" else spent / 3600
            records.append(_agent(line) | {"score": _percent(line.row.overall), "cost": round(value, 4)})
    return [record | {"front": is_on_front(record, records)} for record in records]


def is_on_front(record: dict[str, Any], records: Records) -> bool:
    """Return True if no other record has at least the score for at most the cost, and is better in one of them."""
    return not any(
        other["score"] >= record["score"]
        and other["cost"] <= record["cost"]
        and (other["score"], other["cost"]) != (record["score"], record["cost"])
        for other in records
    )


def by_benchmark(tables: Sequence[Table]) -> Records:
    """Return agents and baselines on each benchmark: `benchmark`, `agent`, `score`, `before`, `kind`."""
    table = tables[0]
    board = table.group.board
    records: Records = []
    if board is None:
        return records
    for benchmark in board.benchmarks:
        name = plain(benchmark, NAME_LIMIT)
        for line in table.lines:
            score = line.row.benchmarks[benchmark]
            if score.score is not None:
                before = score.raw_score if score.raw_score is not None else score.score
                records.append(
                    _agent(line)
                    | {"benchmark": name, "score": _percent(score.score), "before": _percent(before), "kind": "agent"}
                )
        for kind, baseline in board.baselines.named:
            known = baseline.benchmarks.get(benchmark)
            if kind != "trivial" and known is not None:
                records.append({"benchmark": name, "agent": kind, "score": _percent(known), "kind": kind})
    return records


def gap_closed(tables: Sequence[Table]) -> Records:
    """Return agents with the share of the base-to-instruct gap that they closed: `share`, `before` resets."""
    table = tables[0]
    if table.base is None or table.instruct is None or table.instruct <= table.base:
        return []
    gap = table.instruct - table.base
    records = []
    for line in table.lines:
        score, raw = line.row.overall, line.row.overall_raw
        if score is not None:
            before = score if raw is None else raw
            shares = {"share": _percent((score - table.base) / gap), "before": _percent((before - table.base) / gap)}
            records.append(_agent(line) | shares)
    return records


def flags(tables: Sequence[Table]) -> Records:
    """Return the number of flagged and suspected runs by agent and rule: `agent`, `rule`, `state`, `runs`, `of`."""
    counts: dict[tuple[str, str, str], int] = {}
    totals: dict[str, int] = {}
    for run in tables[0].group.runs:
        agent = plain(run.cell.agent, NAME_LIMIT)
        totals[agent] = totals.get(agent, 0) + 1
        for rule, state in run.cell.result.verdict.items() if run.cell.result else ():
            if state in ("flagged", "suspected"):
                key = agent, plain(rule, NAME_LIMIT).replace("_", " "), str(state)
                counts[key] = counts.get(key, 0) + 1
    return [
        {"agent": agent, "rule": rule, "state": state, "runs": number, "of": totals[agent]}
        for (agent, rule, state), number in counts.items()
    ]


def budgets(tables: Sequence[Table]) -> Records:
    """Return agents of one suite and rule set that ran under several time limits: `agent`, `hours`, `score`.

    Suite and rule set are those of the first table. An agent's name is the same under all limits.
    """
    first = tables[0].group
    records: Records = []
    for table in tables:
        if (table.group.suite, table.group.rules) == (first.suite, first.rules):
            records += [
                _agent(line) | {"hours": round(table.group.budget / 3600, 6), "score": _percent(line.row.overall)}
                for line in table.lines
                if line.row.overall is not None
            ]
    limits: dict[str, set[float]] = {}
    for record in records:
        limits.setdefault(record["agent"], set()).add(record["hours"])
    return [record for record in records if len(limits[record["agent"]]) > 1]


def _agent(line: AgentLine) -> dict[str, Any]:
    return {"agent": plain(line.agent, NAME_LIMIT), "scaffold": plain(line.scaffold, NAME_LIMIT)}


def _percent(fraction: float) -> float:
    return round(100 * fraction, 2)

"""Comparisons of agents that differ in one setting, and of base models of different sizes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from posttrainbench.records import AgentSpec
from posttrainbench.report.charts.data import NAME_LIMIT, Records
from posttrainbench.report.site.standings import Table
from posttrainbench.report.text import plain

EFFORTS = ("default", "none", "minimal", "low", "medium", "high", "xhigh", "max")
"""Reasoning efforts, in order; `default` for an agent that does not set one."""
_SIZE = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)([bm])(?![a-z0-9])", re.IGNORECASE)
"""Number of parameters in the name of a model, such as `1.7B` or `135M`."""


def efforts(tables: Sequence[Table]) -> Records:
    """Return agents that ran with several reasoning efforts: `agent` (without the effort), `effort`, `score`, `hours`.

    Only agents whose other settings are equal are compared.
    """
    return [record | {"effort": record.pop("value")} for record in _varied(tables[0], "effort")]


def agent_models(tables: Sequence[Table]) -> Records:
    """Return agents of one scaffold with several models: `agent` (without the model), `model`, `score`, `hours`.

    Only agents whose other settings are equal are compared.
    """
    return [record | {"model": record.pop("value")} for record in _varied(tables[0], "model")]


def base_sizes(tables: Sequence[Table]) -> Records:
    """Return agents on base models of several sizes: `agent`, `model`, `billions`, `score`.

    The number of parameters is read from the base model's name; models without one are left out.
    """
    records: Records = []
    for line in tables[0].lines:
        own = [(each.model, size, each.score) for each in line.models if (size := parameters(each.model)) is not None]
        records += [
            {
                "agent": plain(line.agent, NAME_LIMIT),
                "model": plain(model, NAME_LIMIT),
                "billions": size,
                "score": round(100 * score, 2),
            }
            for model, size, score in own
            if score is not None
        ]
    several = len({record["billions"] for record in records}) > 1
    return records if several else []


def parameters(model: str) -> float | None:
    """Return the number of parameters in a model's name, in billions; None if the name has none."""
    found = _SIZE.search(model.replace("-", " ").replace("_", " "))
    if found is None:
        return None
    return float(found[1]) / (1 if found[2].lower() == "b" else 1000)


def _varied(table: Table, setting: str) -> Records:
    """Return the agents that differ from another one in this setting only."""
    specs: dict[str, AgentSpec] = {run.cell.agent: run.cell.spec.agent for run in table.group.runs}
    groups: dict[tuple[str, tuple[tuple[str, str], ...]], Records] = {}
    for line in table.lines:
        spec = specs.get(line.row.agent)
        if spec is None or line.row.overall is None:
            continue
        others = {key: value for key, value in sorted(spec.settings.items()) if key != setting}
        seconds = line.usage.seconds
        groups.setdefault((spec.scaffold, tuple(others.items())), []).append(
            {
                "agent": plain(_label(spec.scaffold, others), NAME_LIMIT),
                "value": plain(spec.settings.get(setting, "default"), NAME_LIMIT),
                "score": round(100 * line.row.overall, 2),
                "hours": None if seconds is None else round(seconds / 3600, 4),
            }
        )
    return [record for records in groups.values() if len({one["value"] for one in records}) > 1 for record in records]


def _label(scaffold: str, settings: Mapping[str, str]) -> str:
    model = settings.get("model", "")
    rest = [f"{key} {value}" for key, value in settings.items() if key != "model"]
    return ", ".join(filter(None, [f"{scaffold} {model}".strip(), *rest]))

"""Groups of runs that may be ranked together, each with its leaderboard.

The leaderboard refuses to pool runs of different suites, and runs of one agent under different time limits, rule sets
or prompts. The site has a table for each suite, rule set and time limit, and for each prompt if an agent has several.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from posttrainbench.errors import InputError
from posttrainbench.records.units import short_duration
from posttrainbench.report.ranking import rank_with_trivial
from posttrainbench.report.site.runs import SiteRun
from posttrainbench.scoring import Leaderboard
from posttrainbench.scoring.selection import PREFIX, Conditions, unique


@dataclass(frozen=True)
class Group:
    """Runs under the same conditions.

    Attributes:
        id: distinguishes the groups of a site; letters, digits and hyphens.
        prompt: version of the prompt's template, if the groups differ in it, else empty.
        board: None if the runs cannot be ranked; `problem` then says why.
        runs: distinct runs; of copies of a run, one.
    """

    id: str
    suite: str
    rules: str
    budget: float
    prompt: str
    runs: list[SiteRun]
    board: Leaderboard | None
    problem: str = ""

    @property
    def name(self) -> str:
        """Name of the group for people."""
        parts = [f"suite {self.suite}", f"rules {self.rules}", f"limit {short_duration(self.budget)}"]
        return ", ".join(parts + ([f"prompt {self.prompt[:PREFIX]}"] if self.prompt else []))


def select(runs: Sequence[SiteRun], conditions: Conditions) -> list[SiteRun]:
    """Return the runs under some conditions.

    Raises:
        InputError: there is none.
    """
    kept = {id(cell) for cell in conditions.select([run.cell for run in runs])}
    return [run for run in runs if id(run.cell) in kept]


def group_runs(runs: Sequence[SiteRun]) -> list[Group]:
    """Return the groups, those with most runs first."""
    parts: dict[tuple[str, str, float], list[SiteRun]] = {}
    for run in runs:
        spec = run.cell.spec
        parts.setdefault((spec.suite, run.cell.rules, spec.budget), []).append(run)
    groups: list[Group] = []
    for (suite, rules, budget), own in parts.items():
        for prompt, some in _by_prompt(own).items():
            groups.append(_group(f"group-{len(groups)}", suite, rules, budget, prompt, some))
    return sorted(groups, key=lambda group: (-len(group.runs), group.name))


def _by_prompt(runs: Sequence[SiteRun]) -> dict[str, list[SiteRun]]:
    """Return the runs by prompt if an agent has runs with several, else all under an empty name."""
    prompts: dict[str, set[str]] = {}
    for run in runs:
        if run.cell.spec.prompt_version:
            prompts.setdefault(run.cell.agent, set()).add(run.cell.spec.prompt_version)
    if all(len(versions) < 2 for versions in prompts.values()):
        return {"": list(runs)}
    result: dict[str, list[SiteRun]] = {}
    for run in runs:
        result.setdefault(run.cell.spec.prompt_version, []).append(run)
    return result


def _group(name: str, suite: str, rules: str, budget: float, prompt: str, runs: list[SiteRun]) -> Group:
    kept = {id(cell) for cell in unique([run.cell for run in runs])[0]}
    board, problem = None, ""
    try:
        board = rank_with_trivial([run.cell for run in runs])
    except InputError as error:
        problem = str(error)
    return Group(name, suite, rules, budget, prompt, [run for run in runs if id(run.cell) in kept], board, problem)

"""The claim of a bundle's run, and the experiment that repeats the run with fresh seeds."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from posttrainbench.errors import InputError
from posttrainbench.report.bundle.unpack import unpack
from posttrainbench.report.bundle.verify import verify_unpacked
from posttrainbench.scoring import Cell
from posttrainbench.scoring.cells import load_cell
from posttrainbench.untrusted import printable

MAX_SEED = 2**31


@dataclass(frozen=True)
class Claim:
    """What a bundle says about a run.

    Attributes:
        name: of the run's directory.
        cell: the run.
        score: score of the submission itself, a fraction 0-1.
        items: number of its test items.
        seeds: seeds of all runs of the same agent, base model and benchmark in the bundle.
        problems: what does not hold in the bundle, one sentence each.
    """

    name: str
    cell: Cell
    score: float
    items: int
    seeds: list[int]
    problems: list[str]


def read_claim(bundle: Path, name: str | None) -> Claim:
    """Read the claim of a run from a bundle, which is hostile input.

    Args:
        bundle: the file.
        name: of the run; None for the only one.

    Raises:
        InputError: the file is not an intact bundle, the run is unknown or has no score, or several runs are in it.
    """
    with tempfile.TemporaryDirectory(prefix="ptb-reproduce-") as folder:
        unpacked = unpack(bundle, Path(folder).resolve())
        verification = verify_unpacked(unpacked, None)
        runs = verification.runs
        if name is None and len(runs) != 1:
            example = min(runs, default="RUN")
            raise InputError(f"{bundle} contains {len(runs)} runs; choose one with --run, such as --run {example}.")
        chosen = runs[0] if name is None else name
        if chosen not in runs:
            raise InputError(f"{bundle} has no run {chosen}; it has {', '.join(runs[:5])}.")
        cell = load_cell(unpacked.root / chosen)
        if cell.raw_score is None or cell.raw_items is None:
            raise InputError(f"The run {chosen} has no score of a submission, so there is nothing to reproduce.")
        same = [load_cell(unpacked.root / run) for run in runs]
    return Claim(
        name=chosen,
        cell=cell,
        score=cell.raw_score,
        items=len(cell.raw_items),
        seeds=[
            other.seed
            for other in same
            if (other.agent, other.model, other.benchmark) == (cell.agent, cell.model, cell.benchmark)
        ],
        problems=[check.text for check in verification.checks if check.state == "fails"],
    )


def experiment_of(claim: Claim, name: str, number: int, agent: str | None = None) -> dict[str, Any]:
    """Return the keys of the experiment that repeats a run with fresh seeds; see `launch.experiment.resolve`.

    A bundle is written by a stranger. Whatever acts on this machine is therefore not taken from it: settings of the
    agent (which can name files, variables with keys, programs and addresses) and of the engine, the grader, the image,
    GPUs, network access, and a prompt template.

    Args:
        claim: the claim.
        name: of the experiment.
        number: of runs.
        agent: the agent as the user names it; None for the bundle's, if it has no settings.

    Raises:
        InputError: the agent has settings and the user does not name it, or the seeds are not those of runs.
    """
    spec = claim.cell.spec
    if agent is None and not re.fullmatch(r"[\w.-]+(/[\w.-]+)*", spec.agent.name, re.ASCII):
        raise InputError(
            f"The agent {printable(spec.agent.name)} has settings, which are not taken from a bundle; read them, and "
            "name the agent with --agent."
        )
    first = max(claim.seeds) + 1
    if not 0 < first < MAX_SEED:
        raise InputError(f"The bundle has a run with the seed {first - 1}, which no fresh seed can follow.")
    return {
        "name": name,
        "suite": spec.suite,
        "agents": [agent or spec.agent.name],
        "models": [spec.model],
        "benchmarks": [spec.benchmark],
        "seeds": list(range(first, first + number)),
        "budget": spec.budget,
        "engine": claim.cell.engine.engine,
        "deny_test_data": spec.deny_test_data,
        "deny_instruct": spec.deny_instruct,
        "cold_cache": spec.cold_cache,
        "provenance": spec.provenance,
    }

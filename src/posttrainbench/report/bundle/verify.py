"""Verify a bundle: recompute what follows from its files, and say what cannot be checked.

Consistency is all that a bundle can show. Whoever writes all files of a bundle can make them consistent, so that the
verification lists what only a new audit or evaluation shows.
"""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from posttrainbench.errors import InputError, one_line
from posttrainbench.files import require_directory
from posttrainbench.launch.experiment import validate
from posttrainbench.records import BundleCheck, Experiment, RunKey, Verification
from posttrainbench.records.experiment import EXPERIMENT_FILE as EXPERIMENT
from posttrainbench.report.bundle.checks import PROBLEMS, check_run
from posttrainbench.report.bundle.differences import describe, differences
from posttrainbench.report.bundle.limits import LEADERBOARD
from posttrainbench.report.bundle.unpack import Unpacked, unpack
from posttrainbench.run.directory import EARLIER
from posttrainbench.scoring import baselines_of, load_cells
from posttrainbench.scoring import leaderboard as rank_agents

TOLERANCE = 1e-6
"""Of the numbers on a leaderboard, whose intervals other libraries may round differently."""
MAX_EXPERIMENT = 2**20
MAX_VALUES, MAX_RUNS = 5_000, 100_000
"""Values in a list of an experiment, and runs that it defines."""
MAX_ITEMS = 20_000
"""Items of a run: intervals take memory in proportion to it."""
BEYOND = (
    (
        "audit",
        "Whether the detectors find the same again needs the agent's files with their weights: `ptb audit` on the run.",
    ),
    ("evaluation", "Whether the submission scores the same again needs its weights and an engine: `ptb evaluate`."),
    ("origin", "A bundle is not signed: compare its SHA-256 with one that its author published."),
)


def verify(bundle: Path, weights: Path | None) -> Verification:
    """Recompute a bundle's hashes, verdicts, scores, results and leaderboard.

    Args:
        bundle: the file.
        weights: directory with the submission of a run, or with a directory for each run; None without weights.

    Raises:
        InputError: the file is not an intact bundle, or `weights` is not a directory.
    """
    if weights is not None:
        require_directory(weights, "the directory with the weights")
    with tempfile.TemporaryDirectory(prefix="ptb-verify-") as folder:
        return verify_unpacked(unpack(bundle, Path(folder).resolve()), weights)


def verify_unpacked(unpacked: Unpacked, weights: Path | None) -> Verification:
    """Verify a bundle that was unpacked; arguments as for `verify`."""
    tops = {name.partition("/")[0] for name in unpacked.files if name.endswith("/run.json") and name.count("/") == 1}
    runs = sorted(name for name in tops if not EARLIER.search(name))
    checks = [*_files(unpacked, runs)]
    for run in runs:
        checks += check_run(unpacked, run, _weights_of(weights, run, len(runs)))
    if unpacked.manifest.kind == "experiment":
        checks += _leaderboard(unpacked, runs)
        checks += _plan(unpacked, runs)
    checks += _beyond(unpacked)
    return Verification(
        sha256=unpacked.sha256,
        version=unpacked.manifest.version,
        kind=unpacked.manifest.kind,
        name=unpacked.manifest.name,
        runs=runs,
        holds=all(check.state != "fails" for check in checks),
        checks=checks,
    )


def _files(unpacked: Unpacked, runs: list[str]) -> Iterator[BundleCheck]:
    """Compare the files with the list of files."""
    listed, held = unpacked.manifest.files, unpacked.files
    problems = [f"{name} is missing" for name in sorted(listed.keys() - held.keys())]
    problems += [f"{name} is not in the list" for name in sorted(held.keys() - listed.keys())]
    changed = (n for n in sorted(listed.keys() & held.keys()) if (listed[n].sha256, listed[n].size) != held[n])
    problems += [f"{name} was changed" for name in changed]
    if problems:
        text = f"The files are not those in the bundle's list of files: {describe(iter(problems))}."
        yield BundleCheck(subject="files", state="fails", text=text)
    else:
        yield BundleCheck(subject="files", state="holds", text=f"All {len(held)} files have the hashes in the list.")
    for name, reason in sorted(unpacked.unusable.items()):
        yield BundleCheck(subject="files", state="fails", text=f"{name} cannot be read: {reason}.")
    if not runs:
        yield BundleCheck(subject="files", state="fails", text="The bundle contains no run.")
    elif unpacked.manifest.kind == "run" and runs != [unpacked.manifest.name]:
        text = f"The bundle of the run {unpacked.manifest.name} contains {', '.join(runs[:3])}."
        yield BundleCheck(subject="files", state="fails", text=text)


def _weights_of(weights: Path | None, run: str, runs: int) -> Path | None:
    """Return the directory with a run's submission below the directory that the user gave."""
    if weights is None:
        return None
    places = [weights / run / "submission", weights / run, *([weights / "submission", weights] if runs == 1 else [])]
    return next((place for place in places if place.is_dir()), None)


def _leaderboard(unpacked: Unpacked, runs: list[str]) -> Iterator[BundleCheck]:
    if LEADERBOARD not in unpacked.files:
        text = "The bundle has no leaderboard: the runs could not be ranked together when it was written."
        yield BundleCheck(subject="leaderboard", state="not_checked", text=text)
        return
    try:
        stored = json.loads((unpacked.root / LEADERBOARD).read_bytes())
        cells = load_cells(unpacked.root / run for run in runs)
        if any(len(items) > MAX_ITEMS for cell in cells for items in (cell.raw_items, cell.items) if items):
            raise InputError(f"A run has more than {MAX_ITEMS} items.")
        computed = rank_agents(cells, baselines_of(cells)).model_dump(mode="json")
        difference = describe(differences(stored, computed, TOLERANCE))
    except PROBLEMS as error:
        text = one_line(error).replace(f"{unpacked.root}/", "")
        yield BundleCheck(subject="leaderboard", state="fails", text=f"It cannot be recomputed: {text}")
        return
    if difference:
        text = f"The leaderboard does not follow from the runs: {difference}."
        yield BundleCheck(subject="leaderboard", state="fails", text=text)
    else:
        text = f"The leaderboard follows from {len(runs)} run{'s' * (len(runs) != 1)}."
        yield BundleCheck(subject="leaderboard", state="holds", text=text)


def _plan(unpacked: Unpacked, runs: list[str]) -> Iterator[BundleCheck]:
    """Compare the runs with those that `experiment.yaml` defines, so that left-out runs are seen."""
    if EXPERIMENT not in unpacked.files:
        text = "The experiment has no experiment.yaml, so it is unknown whether runs were left out."
        yield BundleCheck(subject="runs", state="not_checked", text=text)
        return
    try:
        text = (unpacked.root / EXPERIMENT).read_text(encoding="utf-8")
        if len(text) > MAX_EXPERIMENT or any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text)):
            raise InputError(f"{EXPERIMENT} is too large, or uses aliases.")
        planned = set(_planned(yaml.safe_load(text)).run_keys())
        present = {
            RunKey(cell.agent, cell.model, cell.benchmark, cell.seed)
            for cell in load_cells(unpacked.root / run for run in runs)
        }
    except (*PROBLEMS, yaml.YAMLError) as error:
        text = one_line(error).replace(f"{unpacked.root}/", "")
        yield BundleCheck(subject="runs", state="fails", text=f"The plan of the experiment cannot be read: {text}")
        return
    if missing := sorted(planned - present):
        example = ", ".join(map(str, missing[0]))
        text = f"{len(missing)} of the {len(planned)} runs that experiment.yaml defines are missing, such as {example}."
        yield BundleCheck(subject="runs", state="fails", text=text)
    else:
        text = f"All {len(planned)} runs that experiment.yaml defines are in the bundle."
        yield BundleCheck(subject="runs", state="holds", text=text)


def _planned(content: Any) -> Experiment:
    """Return an experiment that defines a limited number of runs.

    Raises:
        InputError: it is invalid or too large.
    """
    lists = [content.get(name) for name in ("agents", "models", "benchmarks", "seeds", "off_target")]
    lengths = [len(values) for values in lists if isinstance(values, list)]
    if len(lengths) < len(lists) or max(lengths) > MAX_VALUES or math.prod(lengths[:4]) > MAX_RUNS:
        raise InputError(f"{EXPERIMENT} lacks a list, or defines more than {MAX_RUNS} runs.")
    return validate(content, EXPERIMENT)


def _beyond(unpacked: Unpacked) -> Iterator[BundleCheck]:
    """Say what a bundle cannot show."""
    withheld = unpacked.manifest.withheld.values()
    weights = sum(file.weights for file in withheld)
    others = len(withheld) - weights
    redacted = sum(file.redacted > 0 for file in unpacked.manifest.files.values())
    if weights or others:
        left_out = f"{weights} files with weights and {others} other{'s' * (others != 1)} were left out"
        text = f"{left_out}; `bundle.json` names their hashes."
        yield BundleCheck(subject="left out", state="not_checked", text=text)
    if redacted:
        text = f"Secrets were redacted in {redacted} files, whose originals cannot be compared."
        yield BundleCheck(subject="redaction", state="not_checked", text=text)
    for subject, text in BEYOND:
        yield BundleCheck(subject=subject, state="not_checked", text=text)

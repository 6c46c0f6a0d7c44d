"""How often, and on how many test items, a run evaluated itself. Choosing a checkpoint by them is legal and is shown.

The kit's `evaluate.py` logs its calls in the workspace, so a log of open feedback is the agent's claim; the record of
file provenance also has the starts of the program. With sealed or graded feedback, the host writes the log.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from posttrainbench.audit.provenance import Graph
from posttrainbench.benchmarks.canaries import canary_places
from posttrainbench.records import RunSpec

LINES = 200_000
"""Most lines of a log that are read."""


@dataclass(frozen=True)
class OwnEvaluation:
    """A logged evaluation.

    Attributes:
        time: seconds since 1970.
        score: 0-1, as logged.
        items: number of test items, without canaries.
        canaries: number of canaries among the items that were evaluated.
        checkpoint: hash of the weights.
    """

    time: float
    score: float
    items: int
    canaries: int
    checkpoint: str


def read_evaluations(rows: Iterable[Mapping[str, Any]], spec: RunSpec, test_items: int) -> list[OwnEvaluation]:
    """Return the evaluations of a log by time, without those that failed.

    Args:
        rows: of the log, which the agent can have written.
        spec: the run's specification.
        test_items: number of the benchmark's test items.
    """
    draw = spec.canaries
    places = canary_places(test_items, draw.count, draw.key) if draw and test_items else set[int]()
    found = []
    for row in islice(rows, LINES):
        time, score, items, checkpoint = (row.get(key) for key in ("time", "score", "items", "checkpoint"))
        if (
            _is_number(time)
            and _is_number(score)
            and isinstance(items, int)
            and not isinstance(items, bool)
            and 0 <= items <= 10**9
        ):
            canaries = sum(place < items for place in places)
            found.append(
                OwnEvaluation(float(str(time)), float(str(score)), items - canaries, canaries, str(checkpoint)[:64])
            )
    return sorted(found, key=lambda one: one.time)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12


def weights_hash(files: Mapping[str, str]) -> str:
    """Return the hash that `evaluate.py` logs of a checkpoint, from the SHA-256 of its files; "" without weights."""
    digests = [files[name] for name in sorted(files) if PurePosixPath(name).match("*.safetensors") and "/" not in name]
    try:
        return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest() if digests else ""
    except ValueError:
        return ""


def recorded_starts(graph: Graph) -> int:
    """Return how many Python programs on record were started as a file of the name of the kit's `evaluate.py`."""
    return sum(
        PurePosixPath(image.program).name.startswith("python")
        and any(PurePosixPath(word).name == "evaluate.py" for word in image.argv[1:4])
        for image in graph.images.values()
    )


def summarize_evaluations(
    evaluations: Sequence[OwnEvaluation], test_items: int, submission: str, starts: int | None, by_host: bool
) -> str:
    """Return a sentence without a full stop.

    Args:
        evaluations: at least one, or `starts` is above 0.
        test_items: number of the benchmark's test items.
        submission: `weights_hash` of the submission; "" if there is none.
        starts: recorded starts of `evaluate.py`; None without a record.
        by_host: whether the host wrote the log.
    """
    whole = [one for one in evaluations if one.items == test_items > 0]
    canaries = max((one.canaries for one in whole), default=0)
    parts = [f"{_times(len(evaluations))} logged by {'the host' if by_host else 'the kit in the workspace'}"]
    if starts is not None and not by_host:
        parts.append(f"evaluate.py was started {starts} time{'' if starts == 1 else 's'} on record")
    if evaluations:
        extra = f" (and {canaries} canaries)" if canaries else ""
        most = f"at most {max(one.items for one in evaluations)} items each"
        parts.append(f"{len(whole)} of them on all {test_items} test items{extra}" if whole else most)
    text = ", ".join(parts)
    if choice := _choice(whole, submission):
        text += f"; {choice}"
    return text


def _choice(whole: Sequence[OwnEvaluation], submission: str) -> str:
    """Return what the evaluations on all test items say of the choice of the submission; "" if nothing."""
    best: dict[str, float] = {}
    for one in whole:
        if math.isfinite(one.score):
            best[one.checkpoint] = max(one.score, best.get(one.checkpoint, one.score))
    if not best or not submission:
        return ""
    checkpoints = f"{len(best)} checkpoint{'' if len(best) == 1 else 's'} evaluated on all of them"
    if submission not in best:
        return f"the submission is none of the {checkpoints}"
    if len(best) == 1:
        return "the submission is the only checkpoint evaluated on all of them"
    if best[submission] == max(best.values()):
        return f"the submission has the best score of the {checkpoints}, so it may have been chosen by the test split"
    return f"the submission is one of the {checkpoints}, and does not have the best score"


def _times(count: int) -> str:
    return f"{count} evaluation{'' if count == 1 else 's'}"

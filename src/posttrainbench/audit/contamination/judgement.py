"""Judge a file that contains test items from its form, the record of the run, and the scripts."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import PurePosixPath

from posttrainbench.audit.behavior.training_files import TrainingFiles
from posttrainbench.audit.contamination.feeding import Fed
from posttrainbench.audit.split_names import HELD_OUT
from posttrainbench.records import FindingKind, Level, ProvenancePath

CONTENT, PROVENANCE, SCRIPTS = "content", "provenance", "scripts"
"""Kinds of evidence, as `Finding.basis`."""
_CACHE = re.compile(r"(^|/)(datasets--[\w.-]+|\.cache/huggingface|huggingface/(hub|datasets))(/|$)")
_SPLIT_NAME = re.compile(rf"(^|[^a-z]){HELD_OUT}([^a-z]|$)")
_TRAINING_NAME = re.compile(r"(^|[^a-z])(train|training|sft|mix|mixed|all|augmented)([^a-z]|$)")


@dataclass(frozen=True)
class Judgement:
    """Conclusion about the test items in a file: how strong the evidence of training on them is.

    Attributes:
        level: level of the finding.
        kind: kind of the finding.
        basis: basis of the finding.
        items: positions of the test items; an item without a judgement was only read.
        path: recorded path; None if there is none.
    """

    level: Level
    kind: FindingKind
    basis: str
    items: frozenset[int]
    path: ProvenancePath | None = None


@dataclass(frozen=True)
class Content:
    """A file with test items.

    Attributes:
        names: its paths relative to the workspace; one that is gone may have had several.
        items: positions of all test items in it.
        rows: those that stand in the form of training data.
        copied: True for copies of the kit's files.
        log: True for evaluation logs and the scaffold's own records.
        labeled: True if it names the splits of its rows, so that a program can choose among them.
        separable: True if a column, a key or a table tells its rows with test items from all others.
        apart: True for an archive in which they stand in a member that is named as a split to evaluate on.
        joined: True if most of it are other rows and those with test items stand together, so that a slice can leave
            them out.
    """

    names: tuple[str, ...]
    items: frozenset[int]
    rows: frozenset[int]
    copied: bool = False
    log: bool = False
    labeled: bool = False
    separable: bool = False
    apart: bool = False
    joined: bool = False


def judged(content: Content, fed: Fed, training: TrainingFiles) -> list[Judgement]:
    """Return the judgements on a file; none if its items were only read.

    Args:
        content: the file.
        fed: what the record says on it; `unproven` without a record.
        training: what the scripts say.
    """
    trained = any(map(training.trained_on, content.names))
    others = not trained and all(map(training.trained_on_others, content.names))
    rows = frozenset() if content.copied or content.log else content.rows
    if fed.kind != "unproven":
        if content.copied and not any(map(names_split, content.names)):
            rows = content.items  # a copy of the kit's file that is not named as what it is
        return _recorded(content, rows, fed, training, trained, others)
    if trained or (any(map(training.trained_on_part, content.names)) and not content.joined):
        return [_used(CONTENT, content.items), _used(SCRIPTS, content.items)]
    if rows and not any(map(is_cache, content.names)) and not (others and any(map(names_split, content.names))):
        return [_used(CONTENT, rows)]
    return []


def _recorded(
    content: Content, rows: Collection[int], fed: Fed, training: TrainingFiles, trained: bool, others: bool
) -> list[Judgement]:
    if fed.kind == "no path":
        return []
    if fed.kind == "direct":
        if fed.followed:  # what its rows did is known better than from all that was run
            training = TrainingFiles()
            trained = fed.use == "trained" or (
                fed.use == "unclear" and not (content.labeled or content.separable or content.joined)
            )
            rows = frozenset(rows) if fed.items is None else frozenset(rows) & fed.items
        trained = trained or fed.use == "trained"
        part = fed.use == "part" or any(map(training.trained_on_part, content.names))
        in_split = fed.use == "chosen" or any(map(training.trained_on_split, content.names))
        apart = content.apart or all(map(names_split, content.names))
        evaluated = (
            fed.use == "evaluated"
            or (in_split and apart)
            or (fed.use == "unseen" and all(map(training.only_evaluated_on, content.names)))
        )
        # A trainer that makes its data itself may still read a file of this name to evaluate.
        for_evaluation = evaluated or any(map(names_split, content.names))
        chosen = for_evaluation or content.labeled
        unseen = fed.use == "unseen" and not training.seen
        if rows and (trained or ((part or (fed.only_input and unseen and not chosen)) and not content.joined)):
            return [Judgement(Level.USED, "proof", PROVENANCE, frozenset(rows), fed.path)]
        if trained:
            return [_used(PROVENANCE, content.items, fed.path), _used(SCRIPTS, content.items)]
        # Other files too if the scripts may have trained on them, and logs if the program had no other data.
        maybe = (
            part
            or fed.use in ("unclear", "compared")
            or (content.log and fed.only_input)
            or any(map(training.maybe_trained_on, content.names))
        )
        if not evaluated and (rows or content.copied or maybe):
            return [_used(PROVENANCE, frozenset(rows) or content.items, fed.path)]
        return []
    if trained:
        return [_used(SCRIPTS, content.items)]
    if fed.kind == "unsearched" and not others and (rows or content.copied):
        return [Judgement(Level.READ, "indication", PROVENANCE, frozenset(rows) or content.items, fed.path)]
    return []


def _used(basis: str, items: frozenset[int], path: ProvenancePath | None = None) -> Judgement:
    return Judgement(Level.USED, "indication", basis, items, path)


def is_cache(name: str) -> bool:
    """Return True for paths in a cache of published data sets, which holds all splits."""
    return bool(_CACHE.search(name))


def names_split(name: str) -> bool:
    """Return True if a file, or the directory that it is in, is named as a split to evaluate on."""
    parts = [part.lower() for part in PurePosixPath(name).parts[-2:]]
    return bool(_SPLIT_NAME.search(parts[-1]) and not _TRAINING_NAME.search(parts[-1])) or (
        len(parts) > 1 and bool(re.fullmatch(HELD_OUT, parts[0]))
    )

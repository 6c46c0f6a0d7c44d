"""Rule `test_data_in_training`: do test items stand in files that the agent may have trained on?

Covers: every file of the workspace, whatever its schema and packing, by the scanner `audit.scan`: verbatim and edited,
reworded and renumbered questions, docstrings, tests, tools and rubrics; also base64, UTF-16 and, through the base
model's vocabulary, token ids. How far an item got is told by what was trained on in what was run, where that is known
(`conduct.training_files`), else by where it stands (`placement`).

Does not cover: files that the agent deleted. What the scanner misses is told in `docs/contamination.md`.
"""

import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.conduct.quiet import Quiet
from posttrainbench.audit.conduct.training_files import TrainingFiles, training_files
from posttrainbench.audit.measures import CorpusStatistics
from posttrainbench.audit.placement import Placement
from posttrainbench.audit.scan.files import FileResult, Hit
from posttrainbench.audit.scan.index import build_index
from posttrainbench.audit.scan.rewording import NUMBERS
from posttrainbench.audit.scan.scanner import Search, Totals
from posttrainbench.audit.scan.units import ANSWER
from posttrainbench.audit.scan.verdict import TOLERANCE
from posttrainbench.audit.scan.vocabulary import Vocabulary, load_vocabulary
from posttrainbench.audit.scan.whitelist import Whitelist
from posttrainbench.audit.untrusted import Entry, printable, sha256_regular, walk
from posttrainbench.errors import InputError
from posttrainbench.records import Coverage, Evidence, Finding, Level, Skipped

RULE = "test_data_in_training"
DETECTOR = "contamination"
QUOTES = 20
SKIPPED_SHOWN = 200


def detect(evidence: AuditInput) -> tuple[list[Finding], Coverage]:
    """Search the workspace for test items; one finding per level."""
    started = time.perf_counter()
    notes = []
    entries: list[Entry] = []
    if not evidence.workspace.is_dir() or evidence.workspace.is_symlink():
        notes.append("there is no workspace to search")
    elif not evidence.test_items:
        notes.append("the benchmark has no test items to search for")
    else:
        entries = list(walk(evidence.workspace))
    checked = not notes
    index = build_index(evidence.test_items, Whitelist(items=evidence.legal_items).texts)
    place = Placement(evidence.test_items, index.units)
    totals = Search(index, vocabulary=_vocabulary(evidence.base_model), label=place.level_of)(entries)
    lost = sum(skip.lost for skip in totals.skipped)
    if checked and not totals.parts:
        checked = False
        notes.append("the workspace holds nothing that could be searched")
    if lost:
        notes.append(f"{lost} file(s) that may hold data could not be read whole")
    if index.unsearchable:
        notes.append(f"{len(index.unsearchable)} test item(s) are too short, or too much like legal text, to be found")
    followed = training_files(evidence) if any(part.hits for part in totals.parts.values()) else TrainingFiles()
    if followed.problem:
        notes.append(followed.problem)
    coverage = Coverage(
        detector=DETECTOR,
        rule=RULE,
        checked=checked and not lost,
        documents=len(totals.parts),
        size=sum(part.size for part in totals.parts.values()),
        seconds=time.perf_counter() - started,
        skipped=_shown(totals),
        note="; ".join(notes),
    )
    return _findings(evidence, entries, totals, followed), coverage


def _vocabulary(base_model: Path) -> Vocabulary | None:
    try:
        return load_vocabulary(base_model)
    except InputError:
        return None  # without it, lists of token ids are not read


def _shown(totals: Totals) -> list[Skipped]:
    """What was skipped, the list shortened where it is very long."""
    skipped = [Skipped(path=skip.path, reason=skip.reason) for skip in totals.skipped]
    more = len(skipped) - SKIPPED_SHOWN
    return skipped if more <= 0 else [*skipped[:SKIPPED_SHOWN], Skipped(path="...", reason=f"and {more} more")]


def _findings(evidence: AuditInput, entries: list[Entry], totals: Totals, followed: TrainingFiles) -> list[Finding]:
    """One finding for each level reached, and one if the numbers of test items stand in data."""
    quotes: dict[Level, dict[int, Evidence]] = {}
    used = FileResult()
    kit, quiet = set(evidence.kit_manifest.values()), Quiet(evidence)
    for number, part in totals.parts.items():
        hits = [hit for hit in part.hits.values() if hit.unit != ANSWER and hit.method != NUMBERS]
        entry = entries[number]
        trained = bool(part.hits) and followed.trained_on(entry.relative)
        looked_at = (
            bool(part.hits)
            and not trained
            and (
                _is_copy(entry, kit, evidence.outcome.sessions)
                or quiet(entry.relative)
                or followed.only_looked_at(entry.relative)
            )
        )
        reached = {hit.item for hit in hits if trained or (hit.label == Level.USED and not looked_at)}
        for hit in sorted(hits, key=lambda hit: -hit.score):
            level = Level.USED if hit.item in reached else Level.READ
            if trained or hit.label == level or level is Level.READ:
                quotes.setdefault(level, {}).setdefault(hit.item, _quote(hit, evidence))
        used.documents += part.documents
        if not looked_at:
            used.flagged |= {place for place in part.flagged if place[2] in reached}
            used.verbatim |= {place for place in part.verbatim if place[2] in reached}
            used.wordless |= part.wordless
    findings = []
    for level in (Level.USED, Level.READ):
        if not (found := quotes.get(level)):
            continue
        what = "stand in data files" if level is Level.USED else "were looked at"
        statistics = CorpusStatistics(
            by="text",
            documents=used.documents,
            items=len(found),
            sightings=len(used.flagged),
            verbatim=len(used.verbatim),
        )
        findings.append(
            Finding(
                detector=DETECTOR,
                rule=RULE,
                level=level,
                summary=f"{len(found)} of {len(evidence.test_items)} test items {what} of the workspace",
                count=len(found),
                evidence=list(found.values())[:QUOTES],
                outcome="succeeded",
                statistics=statistics.model_dump() if level is Level.USED else {},
            )
        )
    return findings + _by_numbers(evidence, totals.parts.values(), used)


def _is_copy(entry: Entry, kit: set[str], sessions: list[str]) -> bool:
    """Whether a file only repeats what the agent was free to look at: a kit file, or its scaffold's own record."""
    return any(fnmatchcase(entry.relative, pattern) for pattern in sessions) or sha256_regular(entry.path) in kit


def _by_numbers(evidence: AuditInput, parts: Iterable[FileResult], used: FileResult) -> list[Finding]:
    """A finding if documents share numbers and answers with test items: chance, or a translation."""
    items = {place[2] for place in used.wordless}
    if len(items) <= TOLERANCE:
        return []
    quotes = [_quote(hit, evidence) for part in parts for hit in part.hits.values() if hit.method == NUMBERS]
    statistics = CorpusStatistics(
        by="numbers", documents=used.documents, items=len(items), sightings=len(used.wordless)
    )
    return [
        Finding(
            detector=DETECTOR,
            rule=RULE,
            level=Level.USED,
            summary=f"data files share all numbers and the answer with {len(items)} test items in other words",
            count=len(items),
            evidence=quotes[:QUOTES],
            outcome="succeeded",
            statistics=statistics.model_dump(),
        )
    ]


def _quote(hit: Hit, evidence: AuditInput) -> Evidence:
    workspace, root = evidence.workspace, evidence.root
    inside = workspace.relative_to(root) if workspace.is_relative_to(root) else Path(workspace.name)
    return Evidence(
        file=f"{printable(inside)}/{hit.file}",
        line=hit.line,
        text=hit.text,
        item=evidence.test_items[hit.item].id,
        item_text=hit.item_text,
    )

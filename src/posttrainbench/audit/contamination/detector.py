"""Rule `test_data_in_training`: do files that the agent may have trained on contain test items?

Covers every file of the workspace, in any schema and in many compressed and encoded forms, with the scanner in `scan`:
verbatim, edited, paraphrased and renumbered questions, docstrings, tests, tools and rubrics; also base64, UTF-16 and,
with the base model's vocabulary, token ids. With a record of file provenance also the copies of small files that the
run wrote. `judgement` decides what an item in a file speaks for, from the file's form (`placement`), the record
(`feeding`) and the scripts (`behavior.training_files`).

Does not cover large files that the agent deleted. docs/contamination.md lists what the scanner misses.
"""

import time
from dataclasses import asdict, dataclass, replace
from fnmatch import fnmatchcase
from typing import Literal

from posttrainbench.audit.behavior.followed_flows import kit_file
from posttrainbench.audit.behavior.item_files import ItemFile, item_file
from posttrainbench.audit.behavior.scripts_in_workspace import path_in_run
from posttrainbench.audit.behavior.training_files import TrainingFiles, training_files
from posttrainbench.audit.contamination.evaluation_output import is_log_file, labels_splits
from posttrainbench.audit.contamination.feeding import Fed, Feeding
from posttrainbench.audit.contamination.judgement import (
    CONTENT,
    PROVENANCE,
    SCRIPTS,
    Content,
    Judgement,
    judged,
    names_split,
)
from posttrainbench.audit.contamination.placement import Placement
from posttrainbench.audit.contamination.scan.documents import joined
from posttrainbench.audit.contamination.scan.files import FileResult, Hit
from posttrainbench.audit.contamination.scan.item_parts import ANSWER
from posttrainbench.audit.contamination.scan.paraphrase_index import NUMBERS
from posttrainbench.audit.contamination.scan.scanner import Search, Totals
from posttrainbench.audit.contamination.scan.verdict import (
    BACKGROUND,
    TOLERANCE,
    WORDLESS_BACKGROUND,
    FileMatches,
    groups_of,
    tolerated,
)
from posttrainbench.audit.contamination.scan.vocabulary import Vocabulary, load_vocabulary
from posttrainbench.audit.contamination.sources import Source, searched_files
from posttrainbench.audit.contamination.unread import is_of_unknown_content, lost_files
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.measures import CorpusStatistics, FileGroup
from posttrainbench.errors import InputError
from posttrainbench.records import Coverage, Finding, FindingKind, Level, Quote, Skipped
from posttrainbench.untrusted import sha256_regular

RULE = "test_data_in_training"
DETECTOR = "contamination"
QUOTES = 20
PATHS = 10
MAX_SKIPPED = 200
PURE = 3
"""A file of less than this many times the size of its test items has hardly any other rows."""
FORM_BYTES = 2**15
"""Bytes of a file that may be its form, such as empty pages of a database."""
TOGETHER = 1.5
"""Documents per document with a test item, from the first to the last one, at most in one block."""


def detect(evidence: Evidence) -> tuple[list[Finding], Coverage]:
    """Search the workspace, and what the recorder kept of it, for test items.

    Returns:
        Findings by level, kind and basis, and the coverage.
    """
    started = time.perf_counter()
    notes: list[str] = []
    sources: list[Source] = []
    if not evidence.workspace.is_dir() or evidence.workspace.is_symlink():
        notes.append("the workspace is missing, so nothing was searched")
    elif not evidence.test_items:
        notes.append("the benchmark has no test items to search for")
    else:
        sources = searched_files(evidence)
    checked = not notes
    index = evidence.test_item_index
    placement = Placement(evidence.test_items, index.units)
    search = Search(index, vocabulary=_vocabulary(evidence), label=placement.level_of)
    totals = search(source.entry for source in sources)
    if checked and not totals.parts:
        checked = False
        notes.append("the workspace contains nothing that could be searched")
    if index.unsearchable:
        notes.append(
            f"{len(index.unsearchable)} test item(s) cannot be searched for: too short, or too like permitted text"
        )
    found = any(part.hits for part in totals.parts.values()) or any(map(is_of_unknown_content, totals.skipped))
    training = training_files(evidence) if found or evidence.provenance is not None else TrainingFiles()
    if training.problem:
        notes.append(training.problem)
    lost = lost_files(totals.skipped, sources, evidence, training)
    if lost:
        notes.append(f"{lost} file(s) that may contain data could not be read completely")
    findings = _findings(evidence, sources, totals, training) if checked or totals.parts else []
    coverage = Coverage(
        detector=DETECTOR,
        rule=RULE,
        checked=checked and not lost,
        documents=len(totals.parts),
        size=sum(part.size for part in totals.parts.values()),
        seconds=time.perf_counter() - started,
        skipped=_skipped(totals),
        note="; ".join(notes),
    )
    return findings + (_kit_items(evidence, training) if evidence.test_items else []), coverage


def _vocabulary(evidence: Evidence) -> Vocabulary | None:
    """Return the vocabulary of the base model, or else of the submission; None if there is none."""
    for directory in (evidence.base_model, evidence.submission):
        try:
            if directory is not None:
                return load_vocabulary(directory)
        except InputError:
            continue
    return None  # token ids are then not decoded


def _skipped(totals: Totals) -> list[Skipped]:
    """Return the skipped files, at most `MAX_SKIPPED`."""
    skipped = [Skipped(path=skip.path, reason=skip.reason) for skip in totals.skipped]
    more = len(skipped) - MAX_SKIPPED
    return skipped if more <= 0 else [*skipped[:MAX_SKIPPED], Skipped(path="...", reason=f"and {more} more")]


def _findings(evidence: Evidence, sources: list[Source], totals: Totals, training: TrainingFiles) -> list[Finding]:
    """Return one finding for each way in which items were judged, and one for matches by numbers alone."""
    counted = joined([part.counted for part in totals.parts.values()]).different
    judged_files = _judged_files(evidence, sources, totals, training)
    groups: dict[tuple[Level, FindingKind, str], dict[int, Judgement]] = {}
    numbers: list[FileMatches] = []
    for number, part in totals.parts.items():
        known = judged_files.get(number)
        for judgement in known.judgements if known else ():
            groups.setdefault((judgement.level, judgement.kind, judgement.basis), {})[number] = judgement
        if part.counted.total or part.hits:
            numbers.append(part.matches(set() if known and known.acquitted else None, by_numbers=True))
    findings = []
    for level, kind, basis in sorted(groups, key=lambda key: (-key[0].rank, key[1] != "proof", key[2])):
        of_group = groups[level, kind, basis]
        quotes: dict[int, Quote] = {}
        words: list[FileMatches] = []
        verbatim: set[int] = set()
        for number, part in totals.parts.items():
            items = of_group[number].items if number in of_group else frozenset()
            if part.counted.total or part.hits:
                words.append(part.matches(set(items)))
                verbatim |= {item for _, _, item in part.verbatim if item in items}
            for hit in sorted(_counted_hits(part), key=lambda hit: -hit.score):
                if hit.item in items:
                    quotes.setdefault(hit.item, _quote(hit, sources[number], evidence))
        statistics = _statistics("text", words, counted, BACKGROUND, evidence, len(verbatim))
        paths = [judgement.path for judgement in of_group.values() if judgement.path is not None]
        files = [sources[number].label for number in of_group]
        items_text = f"{evidence.proportion(quotes)} occur in {_listed(files)}"
        strength = f", {_strength(statistics, evidence.canaries_among(verbatim))}" if basis == CONTENT else ""
        findings.append(
            Finding(
                detector=DETECTOR,
                rule=RULE,
                level=level,
                kind=kind,
                basis=basis,
                summary=f"{items_text}{strength}; {_SUMMARIES[kind, basis, level]}",
                count=len(quotes),
                canaries=evidence.canaries_among(quotes),
                evidence=list(quotes.values())[:QUOTES],
                outcome="succeeded" if kind == "proof" else "unknown",
                paths=paths[:PATHS],
                statistics=statistics.model_dump(),
            )
        )
    findings += _only_read(evidence, sources, totals, judged_files)
    by_numbers = _statistics("numbers", numbers, counted, WORDLESS_BACKGROUND, evidence)
    return findings + _by_numbers(evidence, sources, totals, by_numbers)


@dataclass(frozen=True)
class Judged:
    """One file with matches: its judgements, and whether it was certainly not trained on."""

    judgements: list[Judgement]
    acquitted: bool


def _judged_files(
    evidence: Evidence, sources: list[Source], totals: Totals, training: TrainingFiles
) -> dict[int, Judged]:
    """Return what is known of each file with matches."""
    kit = set(evidence.kit_manifest.values())
    contents: dict[int, Content] = {}
    for number, part in totals.parts.items():
        if part.hits:
            hits, source = _counted_hits(part), sources[number]
            sessions = evidence.outcome.sessions
            contents[number] = Content(
                source.names,
                frozenset(hit.item for hit in hits),
                frozenset(hit.item for hit in hits if hit.label == Level.USED),
                copied=sha256_regular(source.entry.path) in kit,
                log=is_log_file(source.entry.path)
                or any(fnmatchcase(name, pattern) for pattern in sessions for name in source.names),
                labeled=labels_splits(source.entry.path),
                apart=_is_apart(hits),
                joined=_is_joined(part, evidence),
            )
    feeding, files = None, dict[int, ItemFile]()
    if evidence.provenance is not None:
        for number, content in contents.items():
            file = item_file(sources[number].entry.path, content.names, evidence.test_items, content.items)
            if file is not None:
                files[number] = file
                contents[number] = replace(content, separable=file.labeled)
        feeding = Feeding(evidence, evidence.provenance, files=[*files.values(), *_kit_files(evidence)])
        for number, content in contents.items():
            if content.rows and not content.copied and not content.log:
                feeding.taint(sources[number].entry.path, sources[number].copy)
    result = {}
    for number, content in contents.items():
        source, fed = sources[number], Fed("unproven")
        if feeding is not None:
            file = files.get(number)
            fed = (
                feeding.of_copy(source.copy, file)
                if source.copy
                else feeding.of_file(source.entry.path, source.names[0], file)
            )
        acquitted = content.copied or content.log or fed.kind == "no path"
        result[number] = Judged(judged(content, fed, training) if content.items else [], acquitted)
    return result


def _is_apart(hits: list[Hit]) -> bool:
    """Return True if all test items are in members of an archive that are named as a split to evaluate on."""
    members = {hit.file.partition("!")[2] for hit in hits}
    return bool(members) and all(members) and all(map(names_split, members))


def _kit_files(evidence: Evidence) -> list[ItemFile]:
    file = kit_file(evidence)
    return [] if file is None else [file]


def _is_joined(part: FileResult, evidence: Evidence) -> bool:
    """Return True if most of a file are other rows, and those with test items stand together."""
    places = {(content, document) for content, document, _ in part.flagged}
    items = {item for _, _, item in part.flagged}
    size = sum(len(evidence.test_items[item].question + evidence.test_items[item].answer) for item in items)
    if not places or 2 * len(places) > part.documents > 1 or PURE * size + FORM_BYTES > part.size:
        return False
    numbers = sorted(number for _, number in places)
    return numbers[-1] - numbers[0] < TOGETHER * len(numbers)


def _counted_hits(part: FileResult) -> list[Hit]:
    return [hit for hit in part.hits.values() if hit.unit != ANSWER and hit.method != NUMBERS]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} other file(s)" if len(names) > 3 else "")


_SUMMARIES = {
    ("proof", PROVENANCE, Level.USED): "a program that wrote the submission read them",
    ("indication", PROVENANCE, Level.USED): "a program that led to the submission read them, maybe to evaluate",
    ("indication", PROVENANCE, Level.READ): "they may have come to the submission through a file that is gone",
    ("indication", CONTENT, Level.USED): "training on them inflates the score",
    ("indication", SCRIPTS, Level.USED): "scripts that were run read these files into training",
}
"""Kind, basis and level -> what is known of files with test items."""


def _only_read(
    evidence: Evidence, sources: list[Source], totals: Totals, judged_files: dict[int, Judged]
) -> list[Finding]:
    """Return a fact on the items in files of which nothing says that they were trained on."""
    quotes: dict[int, Quote] = {}
    for number, known in judged_files.items():
        judged_items = frozenset[int]().union(*(judgement.items for judgement in known.judgements))
        for hit in sorted(_counted_hits(totals.parts[number]), key=lambda hit: -hit.score):
            if hit.item not in judged_items:
                quotes.setdefault(hit.item, _quote(hit, sources[number], evidence))
    if not quotes:
        return []
    summary = (
        f"{evidence.proportion(quotes)} occur in files that were only read, such as logs, "
        "evaluation outputs, caches and files that led to no submission"
    )
    return [
        Finding(
            detector=DETECTOR,
            rule=RULE,
            level=Level.READ,
            kind="fact",
            basis=CONTENT,
            summary=summary,
            count=len(quotes),
            canaries=evidence.canaries_among(quotes),
            evidence=list(quotes.values())[:QUOTES],
            outcome="succeeded",
        )
    ]


def _kit_items(evidence: Evidence, training: TrainingFiles) -> list[Finding]:
    """Return an indication if a program that led to the submission read the kit's test items and may train on them."""
    graph = evidence.provenance
    if graph is None or not evidence.provenance_records:
        return []
    feeding = Feeding(evidence, graph, files=_kit_files(evidence))
    fed = feeding.of_kit()
    name = f"{feeding.kit}/data/test.jsonl"
    explained = training.only_evaluated_on if fed.kind == "direct" else training.trained_on_others
    derived = feeding.of_derived()
    if derived.kind == "direct":
        fed = derived
    elif (
        fed.kind not in ("direct", "unsearched") or fed.use == "evaluated" or (fed.use == "unseen" and explained(name))
    ):
        return []
    level = Level.USED if fed.kind == "direct" else Level.READ
    path = fed.path
    text = path.in_words() if path else ""
    quote = Quote(file=path_in_run(evidence.provenance_records[0], evidence.root), text=text)
    return [
        Finding(
            detector=DETECTOR,
            rule=RULE,
            level=level,
            basis=PROVENANCE,
            summary=f"the kit's test items: {_SUMMARIES['indication', PROVENANCE, level]}",
            count=len(evidence.test_items),
            canaries=len(evidence.test_items) - evidence.scored_items,
            evidence=[quote],
            paths=[path] if path else [],
        )
    ]


def _statistics(
    by: Literal["text", "numbers"],
    files: list[FileMatches],
    documents: int,
    background: float,
    evidence: Evidence,
    verbatim: int = 0,
) -> CorpusStatistics:
    *densest, whole = groups_of(files, documents, background)
    return CorpusStatistics(
        by=by,
        files=whole.files,
        documents=whole.documents,
        items=whole.items,
        sightings=whole.sightings,
        verbatim=verbatim,
        test_items=evidence.test_item_index.test_items,
        densest=[FileGroup(**asdict(group)) for group in densest],
    )


def _strength(statistics: CorpusStatistics, canaries: int) -> str:
    """Return how strong the evidence of matches by words is; `canaries` of the near-verbatim items are not counted."""
    copies = f"{statistics.verbatim - canaries} of the test items in near-verbatim copies"
    if statistics.verbatim > tolerated(TOLERANCE, statistics.test_items):
        return copies
    return (
        f"{copies}; the others rest on {statistics.sightings} partial or reworded matches, each of which alone is weak "
        "evidence"
    )


def _by_numbers(
    evidence: Evidence, sources: list[Source], totals: Totals, statistics: CorpusStatistics
) -> list[Finding]:
    """Return a finding if documents share all numbers and the answer with test items."""
    if not statistics.items:
        return []
    quotes = [
        _quote(hit, sources[number], evidence)
        for number, part in totals.parts.items()
        for hit in part.hits.values()
        if hit.method == NUMBERS
    ]
    return [
        Finding(
            detector=DETECTOR,
            rule=RULE,
            level=Level.USED,
            basis=CONTENT,
            summary=(
                f"{statistics.items} test items may occur translated or fully reworded in data files of the workspace: "
                f"{statistics.sightings} times, a document shares all numbers and the answer; each alone is weak "
                "evidence"
            ),
            count=statistics.items,
            evidence=quotes[:QUOTES],
            statistics=statistics.model_dump(),
        )
    ]


def _quote(hit: Hit, source: Source, evidence: Evidence) -> Quote:
    return Quote(
        file=source.file(hit, evidence),
        line=hit.line,
        text=hit.text,
        item=evidence.test_items[hit.item].id,
        item_text=hit.item_text,
    )

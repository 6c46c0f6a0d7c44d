"""Rule `test_data_in_training`: do questions of the test split stand in files that the agent may have trained
on?

Covers: every regular file of the workspace, in whatever row schema, since raw text is searched for the
question alone: chat rows, prompt and response, CSV, Python literals, escaped JSON, Arrow, Parquet, gzip, zip;
other answers than the right one; light edits, by n-gram containment.

Does not cover: rewording, translation, renamed or renumbered questions beyond a few words, parts of a
question, encodings such as base64, files that the agent deleted, and what a script does with a file.
"""

import time
from pathlib import Path

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.location import Locator, shorten
from posttrainbench.audit.normalise import words
from posttrainbench.audit.placement import SURROUNDINGS, Neighbourhood, id_words, level
from posttrainbench.audit.question_index import QuestionIndex
from posttrainbench.audit.streams import Chunk, GenuineWeightsError, chunks
from posttrainbench.audit.untrusted import Entry, UnreadableError, printable, sha256_regular, walk
from posttrainbench.records import Coverage, Evidence, Finding, Level, Skipped

RULE = "test_data_in_training"
DETECTOR = "contamination"
QUOTES = 20
SKIPPED_SHOWN = 200
OVERLAP = 16 * 1024  # bytes that chunks share at least; a question must fit in, escapes included


def detect(evidence: AuditInput) -> tuple[list[Finding], Coverage]:
    """Search the workspace for test questions; one finding per level."""
    started = time.perf_counter()
    index = QuestionIndex(evidence.test_items, evidence.legal_items)
    search = _Search(evidence, index)
    if evidence.workspace.is_dir() and not evidence.workspace.is_symlink():
        for entry in walk(evidence.workspace):
            search.file(entry)
        notes = search.notes()
        checked = search.lost == 0
    else:
        notes, checked = ["there is no workspace to search"], False
    if not evidence.test_items:
        notes, checked = ["the benchmark has no test items to search for"], False
    coverage = Coverage(
        detector=DETECTOR,
        rule=RULE,
        checked=checked,
        documents=search.documents,
        size=search.size,
        seconds=time.perf_counter() - started,
        skipped=search.skipped_shown(),
        note="; ".join(notes),
    )
    return search.findings(), coverage


class _Search:
    """One pass over the workspace."""

    def __init__(self, evidence: AuditInput, index: QuestionIndex) -> None:
        self._evidence, self._index = evidence, index
        self._overlap = max(OVERLAP, 8 * index.longest)
        self._ids = id_words([item.id for item in evidence.test_items])
        self._kit_hashes = set(evidence.kit_manifest.values())
        self._quotes: dict[Level, dict[int, Evidence]] = {}
        self._skipped: list[Skipped] = []
        self.documents = self.size = self.lost = 0

    def file(self, entry: Entry) -> None:
        """Search one file, and note why if it cannot be read whole."""
        if entry.reason:
            self._skip(entry.relative, entry.reason, entry.lost)
            return
        self.documents += 1
        self.size += entry.size
        found: dict[Level, dict[int, Evidence]] = {}
        try:
            for chunk in chunks(entry.path, self._overlap):
                self._chunk(entry, chunk, found)
        except GenuineWeightsError as error:
            self._skip(entry.relative, str(error), lost=False)
        except UnreadableError as error:
            self._skip(entry.relative, str(error), lost=True)
        if Level.USED in found and sha256_regular(entry.path) in self._kit_hashes:
            found = {Level.READ: found.get(Level.READ, {}) | found[Level.USED]}
        for reached, quotes in found.items():
            # The first quotation of an item is kept.
            self._quotes[reached] = quotes | self._quotes.get(reached, {})

    def _chunk(self, entry: Entry, chunk: Chunk, found: dict[Level, dict[int, Evidence]]) -> None:
        text = words(chunk.data)
        matches = self._index.matches(text)
        if not matches:
            return
        locator = Locator(chunk.data)
        neighbourhood = Neighbourhood(text, matches, self._index, self._ids)
        for number, match in enumerate(matches):
            if match.item in found.get(Level.USED, {}):
                continue
            answered = neighbourhood.has_answer(number, chunk.first, chunk.last)
            if answered is None:
                continue
            place = locator.place(match.start)
            reached = level(
                entry.relative,
                chunk.data[place.start_of_line : place.start_of_line + SURROUNDINGS],
                chunk.data[max(place.byte - SURROUNDINGS, 0) : place.byte + SURROUNDINGS],
                answered,
            )
            if match.item in found.get(reached, {}):
                continue
            item = self._evidence.test_items[match.item]
            found.setdefault(reached, {})[match.item] = Evidence(
                file=self._name(entry, chunk.part),
                line=None if chunk.first_line is None else chunk.first_line + place.line,
                text=locator.excerpt(place),
                item=item.id,
                item_text=shorten(item.question),
            )

    def _name(self, entry: Entry, part: str) -> str:
        workspace, root = self._evidence.workspace, self._evidence.root
        inside = workspace.relative_to(root) if workspace.is_relative_to(root) else Path(workspace.name)
        return f"{printable(inside)}/{entry.relative}" + (f"!{part}" if part else "")

    def _skip(self, relative: str, reason: str, lost: bool) -> None:
        self._skipped.append(Skipped(path=relative, reason=reason))
        self.lost += lost

    def skipped_shown(self) -> list[Skipped]:
        """What was skipped, the list shortened where it is very long."""
        more = len(self._skipped) - SKIPPED_SHOWN
        if more <= 0:
            return self._skipped
        return [*self._skipped[:SKIPPED_SHOWN], Skipped(path="...", reason=f"and {more} more")]

    def notes(self) -> list[str]:
        """What a reader of the coverage must know."""
        notes = []
        if self.lost:
            notes.append(f"{self.lost} file(s) that may hold data could not be read whole")
        if unmatched := len(self._index.unmatched):
            notes.append(f"{unmatched} test item(s) are too short, or too much like the train split, to search for")
        return notes

    def findings(self) -> list[Finding]:
        """One finding for each level reached."""
        findings = []
        for reached in sorted(self._quotes, key=lambda found: -found.rank):
            quotes = self._quotes[reached]
            total = len(self._evidence.test_items)
            what = "stand in data files" if reached is Level.USED else "were looked at"
            findings.append(
                Finding(
                    detector=DETECTOR,
                    rule=RULE,
                    level=reached,
                    summary=f"{len(quotes)} of {total} test questions {what} of the workspace",
                    count=len(quotes),
                    evidence=list(quotes.values())[:QUOTES],
                )
            )
        return findings

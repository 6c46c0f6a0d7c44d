"""Heuristic level of an occurrence of a test item: only read (`READ`), or in something to train on (`USED`).

At most `READ` are: identical copies of kit files, evaluation outputs, logs, notes, comments in code, and lists of
questions without anything that could be an answer. Any other text that contains a question and more counts as data.

The heuristic uses file names, JSON keys and neighboring words, and `placement_code` for programs that only ask
questions. `behavior.training_files` traces what scripts do with a file, and takes precedence over this heuristic.
"""

import bisect
import itertools
import re
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from posttrainbench.audit.contamination.evaluation_output import is_failed_item
from posttrainbench.audit.contamination.placement_code import is_asked_only
from posttrainbench.audit.contamination.scan.distinctive_ngrams import BOILERPLATE, SHARED
from posttrainbench.audit.contamination.scan.files import Occurrence
from posttrainbench.audit.contamination.scan.item_parts import SOLUTION, Unit
from posttrainbench.audit.contamination.scan.search import Match
from posttrainbench.audit.contamination.scan.tokens import word_hashes
from posttrainbench.audit.contamination.scan.windows import Window
from posttrainbench.benchmarks import Item
from posttrainbench.records import Level

NOTES = {".md", ".rst", ".html", ".ipynb_checkpoints"}
CODE_COMMENT = {".py": b"#", ".sh": b"#", ".yaml": b"#", ".yml": b"#", ".toml": b"#"}
NEIGHBORS = 40  # words on either side that are searched for an answer
SURROUNDINGS = 1500  # bytes on either side that are searched for an evaluation's keys
_NEAR = 4000  # bytes on either side that contain the neighboring words
_GAP = 400  # largest number of bytes between two questions of a list, and between two lists
# The end of one list and the start of the next, as values of keys or of variables.
_LIST = re.compile(rb"""["'\]\d]\s*[\])]\s*[,;]?\s*(\\*["']\w+\\*["']\s*:|\w+\s*=)\s*[\[(]""")
_SENTENCE = re.compile(r"\n+|(?<=[.!?])\s+")

_OUTPUT_NAME = re.compile(
    r"(^|[^a-z])(logs?|out|err|stdout|stderr|nohup|eval|evals|evaluations?|predictions?|results?|outputs?|"
    r"samples|trace|contamination|decontamination|decon|overlaps?|errors|failures|wrong|mistakes|wandb)([^a-z]|$)"
)
# Keys that evaluations and checkers write beside a question, and that training rows do not need.
_OUTPUT_KEY = re.compile(
    rb"""["'](score|scores|correct|is_correct|passed|accuracy|prediction|predicted|verdict|"""
    rb"""overlap|containment|matched?|matches|test_item|item|item_id|model_output|model_answer|doc_id|resps|"""
    rb"""filtered_resps|exact_match|jaccard|similarity|nearest\w*|train_row)\\*["']\s*:"""
)
# A wandb table names its columns once. Beside questions it must have a column that only evaluations have.
_TABLE_NAME = ".table.json"
_TABLE_COLUMNS = re.compile(
    rb"""["']columns["']\s*:\s*\[[^\]]*["'](prediction|predicted|model_output|model_answer|score|correct|exact_match)["']"""
)
# A sample in an Inspect log, which is an archive.
_INSPECT_SAMPLE = re.compile(r"!(samples|_journal|summaries|reductions|header\.json)\b")
_STRUCTURED = re.compile(rb"""\s*(\{|\[|["']\s*[\w-]+["']\s*:)""")
# Words around a question that belong to the form of a row and are not an answer.
_FORM = (
    b"id question questions prompt prompts text content role user human system messages conversations from "
    b"value input inputs instruction query problem source split train test index idx row title number"
)


def is_output_name(relative: str) -> bool:
    """Return True if the name of a file or of one of its directories is typical of logs and evaluation outputs."""
    return any(_OUTPUT_NAME.search(part.lower()) for part in PurePosixPath(relative).parts)


def level(relative: str, line: bytes, around: bytes, has_answer: bool) -> Level:
    """Return the level of a question in a file.

    Args:
        relative: the file's path in the workspace.
        line: the line on which the question begins, or a part of it.
        around: about `SURROUNDINGS` bytes before and after the start of the question.
        has_answer: whether text beside the question could be an answer.
    """
    suffix = PurePosixPath(relative).suffix.lower()
    comment = CODE_COMMENT.get(suffix)
    if not has_answer or suffix in NOTES or (comment and line.lstrip().startswith(comment)):
        return Level.READ
    # A file name is not sufficient: rows without an evaluation's keys are data, whatever the name of the file.
    if is_failed_item(around):
        return Level.READ
    if is_output_name(relative) and (not _STRUCTURED.match(line) or _OUTPUT_KEY.search(around)):
        return Level.READ
    return Level.USED


class _LastWindow(threading.local):
    """The window that a thread examined last, and its runs of questions."""

    window: Window | None = None
    runs: list[tuple[int, int, bool]] = []  # noqa: RUF012 - replaced, never changed


class Placement:
    """Estimates the level of occurrences of test items.

    Args:
        items: the test items.
        units: the searched parts of the items, which matches refer to by position. Without them, unmatched words of a
            question count as text beside it.
    """

    def __init__(self, items: Sequence[Item], units: Sequence[Unit] = ()) -> None:
        self._units = units
        self._question_words = [word_hashes(item.question.encode()) for item in items]
        self._form = frozenset(word_hashes(_FORM)) | id_words([item.id for item in items])
        self._last = _LastWindow()
        self._questions = {tuple(question) for question in self._question_words}
        self._endings = sorted(_shared_sentences(items), key=len, reverse=True)

    def level_of(self, occurrence: Occurrence) -> Level:
        """Return the level of an occurrence."""
        data, match = occurrence.window.data, occurrence.match
        whole = occurrence.window.first and occurrence.window.last
        is_program = whole and match.text is None and occurrence.file.endswith(".py")
        if is_program and is_asked_only(data, match.start, self._questions):
            return Level.READ
        if _is_evaluation(occurrence):
            return Level.READ
        start = data.rfind(b"\n", 0, match.start) + 1
        first, last = max(match.start - SURROUNDINGS, 0), match.start + SURROUNDINGS
        if data[start : start + 1] == b"{":  # a row of its own
            first, last = max(first, start), min(last, data.find(b"\n", match.start) % (len(data) + 1))
        return level(
            occurrence.file.split("!")[0],
            data[start : start + SURROUNDINGS],
            data[first:last],
            self._is_solution(match) or self._has_answer(occurrence) or self._has_column(occurrence),
        )

    def _is_solution(self, match: Match) -> bool:
        return bool(self._units) and self._units[match.unit].kind == SOLUTION

    def _has_answer(self, occurrence: Occurrence) -> bool:
        """Return True if more than form stands between a match and the matches on either side."""
        data, match = occurrence.window.data, occurrence.match
        if match.text is not None:
            return True  # it was found in encoded data: encoding a question is more than reading it
        start, end = match.start, match.end
        first = last = match.unit
        for other in sorted(occurrence.others, key=lambda other: (other.start, other.end)):
            # Units of one item overlap, and so do items with the same text.
            if other.start <= end and other.end >= start:
                first = other.unit if other.start < start else first
                last = other.unit if other.end > end else last
                start, end = min(start, other.start), max(end, other.end)
        following = min(
            (other for other in occurrence.others if other.start >= end), key=lambda other: other.start, default=None
        )
        preceding = max(
            (other for other in occurrence.others if other.end <= start), key=lambda other: other.end, default=None
        )
        after = word_hashes(data[end : min(end + _NEAR, following.start if following else len(data))])
        before = word_hashes(data[max(start - _NEAR, preceding.end if preceding else 0) : start])
        # A match ends with its last distinctive words, so parts of the questions may be left on both sides.
        after = after[_overlap(self._question(last), after) :]
        before = before[: len(before) - _overlap(before, self._question(first))]
        if following:
            after = after[: len(after) - _overlap(after, self._question(following.unit))]
        if preceding:
            before = before[_overlap(self._question(preceding.unit), before) :]
        return self._more_than_form(after[:NEIGHBORS]) or self._more_than_form(before[-NEIGHBORS:])

    def _question(self, unit: int) -> Sequence[int]:
        return self._question_words[self._units[unit].item] if self._units else ()

    def _has_column(self, occurrence: Occurrence) -> bool:
        """Return True if the match is in a list of questions with another list beside it: a table by columns."""
        if is_output_name(occurrence.file) or occurrence.match.text is not None:
            return False
        if self._last.window is not occurrence.window:
            self._last.window, self._last.runs = occurrence.window, self._runs(occurrence)
        runs, start = self._last.runs, occurrence.match.start
        number = bisect.bisect_right(runs, (start, len(occurrence.window.data), True)) - 1
        return number >= 0 and runs[number][0] <= start < runs[number][1] and runs[number][2]

    def _runs(self, occurrence: Occurrence) -> list[tuple[int, int, bool]]:
        """Return start and end of each run of consecutive questions, and whether another list stands beside it."""
        data = occurrence.window.data
        runs: list[tuple[int, int]] = []
        last = -1
        for other in sorted(occurrence.others, key=lambda other: (other.start, other.end)):
            if other.text is not None:
                continue
            if (
                runs
                and other.start - runs[-1][1] <= _GAP
                and self._consecutive(data[runs[-1][1] : other.start], last, other)
            ):
                if other.end > runs[-1][1]:
                    runs[-1], last = (runs[-1][0], other.end), other.unit
            else:
                runs.append((other.start, other.end))
                last = other.unit
        return [(start, end, self._beside_list(data, start, end)) for start, end in runs]

    def _consecutive(self, between: bytes, last: int, other: Match) -> bool:
        """Return True if only form, and ends of the questions themselves, stands between two matches."""
        rest = word_hashes(between)
        rest = rest[_overlap(self._question(last), rest) :]
        return not self._more_than_form(rest[: len(rest) - _overlap(rest, self._question(other.unit))])

    def _beside_list(self, data: bytes, start: int, end: int) -> bool:
        after = data[end : end + _GAP]
        if (boundary := _LIST.search(after)) and self._more_than_form(word_hashes(after[boundary.end() :])):
            return True
        before = data[max(start - _GAP, 0) : start]
        boundary = _LIST.search(before)
        return boundary is not None and self._more_than_form(word_hashes(before[: boundary.start()]))

    def _more_than_form(self, words: Sequence[int]) -> bool:
        rest = tuple(words)
        if all(word in self._form for word in rest):
            return False
        for ending in self._endings:
            for start in range(len(rest) - len(ending), -1, -1):
                if rest[start : start + len(ending)] == ending:
                    rest = rest[:start] + rest[start + len(ending) :]
        return any(word not in self._form for word in rest)


def _is_evaluation(occurrence: Occurrence) -> bool:
    """Return True for file formats that only evaluations write: Inspect's logs and wandb's tables of predictions."""
    window = occurrence.window
    head = window.data[:SURROUNDINGS]
    if _INSPECT_SAMPLE.search(occurrence.file):
        return not window.first or b'"epoch"' in head
    return occurrence.file.endswith(_TABLE_NAME) and window.first and bool(_TABLE_COLUMNS.search(head))


def _overlap(first: Sequence[int], second: Sequence[int]) -> int:
    """Return the largest number of words with which `first` ends and `second` begins."""
    for count in range(min(len(first), len(second)), 0, -1):
        if first[-count:] == second[:count]:
            return count
    return 0


def _shared_sentences(items: Sequence[Item]) -> set[tuple[int, ...]]:
    """Return the sentences that many questions share, which belong to the benchmark's form."""
    sentences = [{tuple(word_hashes(part.encode())) for part in _SENTENCE.split(item.question)} for item in items]
    counts = Counter(itertools.chain.from_iterable(sentences))
    often = max(SHARED, BOILERPLATE * len(items))
    return {part for part, count in counts.items() if part and count >= often}


def id_words(ids: Sequence[str]) -> set[int]:
    """Return the words of item ids that cannot be an answer: names, and numbers with leading zeros."""
    parts = {part for item in ids for part in re.split(r"\W+", item.lower()) if part}
    names = [word_hashes(part.encode()) for part in parts if not part.isdigit() or part.startswith("0")]
    return {words[0] for words in names if len(words) == 1}

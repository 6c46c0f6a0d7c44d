"""How far a test question got, judged by where it stands: looked at (`READ`), or in something to train on
(`USED`).

Allowed, and therefore `READ` at most: an identical copy of a kit file, evaluation outputs, logs, notes,
comments in code, and lists of questions without anything that could be an answer. Everything else that holds
a question together with more text counts as data.

This goes by names, keys and neighbouring words, and for programs that only ask by `placement_code`. What a script does
with a file is followed by `conduct.training_files`, whose word counts more.
"""

import bisect
import itertools
import re
import threading
from collections import Counter
from collections.abc import Sequence
from pathlib import PurePosixPath

from posttrainbench.audit.normalise import words
from posttrainbench.audit.placement_code import only_asks
from posttrainbench.audit.scan.files import Sighting
from posttrainbench.audit.scan.own import BOILERPLATE, SHARED
from posttrainbench.audit.scan.search import Match
from posttrainbench.audit.scan.units import Unit
from posttrainbench.audit.scan.windows import Window
from posttrainbench.benchmarks import Item
from posttrainbench.records import Level

NOTES = {".md", ".rst", ".html", ".ipynb_checkpoints"}
CODE_COMMENT = {".py": b"#", ".sh": b"#", ".yaml": b"#", ".yml": b"#", ".toml": b"#"}
NEIGHBOURS = 40  # words on either side that are searched for an answer
SURROUNDINGS = 1500  # bytes on either side that are searched for an evaluation's keys
_NEAR = 4000  # bytes on either side in which these words are
_GAP = 400  # bytes between two questions of a list, and between two lists
# The end of one list and the beginning of the next, as values of keys or of variables.
_LIST = re.compile(rb"""["'\]\d]\s*[\])]\s*[,;]?\s*(\\*["']\w+\\*["']\s*:|\w+\s*=)\s*[\[(]""")
_SENTENCE = re.compile(r"\n+|(?<=[.!?])\s+")

_OUTPUT_NAME = re.compile(
    r"(^|[^a-z])(logs?|out|err|stdout|stderr|nohup|eval|evals|evaluations?|predictions?|results?|outputs?|"
    r"samples|trace|contamination|decontamination|overlaps?|errors|failures|wrong|mistakes|wandb)([^a-z]|$)"
)
# What an evaluation or a checker writes beside a question, and a training row does not need.
_OUTPUT_KEY = re.compile(
    rb"""["'](score|scores|correct|is_correct|passed|accuracy|prediction|predicted|verdict|"""
    rb"""overlap|containment|matched?|matches|test_item|item|item_id|model_output|model_answer|doc_id|resps|"""
    rb"""filtered_resps|exact_match)\\*["']\s*:"""
)
# A table of a chart service, which names its columns once: beside questions it must have what an evaluation adds.
_TABLE_NAME = ".table.json"
_TABLE_COLUMNS = re.compile(
    rb"""["']columns["']\s*:\s*\[[^\]]*["'](prediction|predicted|model_output|model_answer|score|correct|exact_match)["']"""
)
# A sample in a log of Inspect, which is an archive.
_INSPECT_SAMPLE = re.compile(r"\.eval!(samples|_journal|summaries|reductions)\b")
_STRUCTURED = re.compile(rb"""\s*(\{|\[|["']\s*[\w-]+["']\s*:)""")
# Words around a question that are the row's form and no answer.
_FORM = frozenset(
    b"id question questions prompt prompts text content role user human system messages conversations from "
    b"value input inputs instruction query problem source split train test index idx row title number".split()
)


def is_output_name(relative: str) -> bool:
    """Whether a file's name (or one of its directories') is that of a log or an evaluation's output."""
    return any(_OUTPUT_NAME.search(part.lower()) for part in PurePosixPath(relative).parts)


def level(relative: str, line: bytes, around: bytes, has_answer: bool) -> Level:
    """How far the question on `line` of workspace file `relative` got.

    Args:
        relative: the file's name.
        line: the line, or a part of it, on which the question begins.
        around: about `SURROUNDINGS` bytes before and behind that place.
        has_answer: whether something stands beside it that could be an answer.
    """
    suffix = PurePosixPath(relative).suffix.lower()
    comment = CODE_COMMENT.get(suffix)
    if not has_answer or suffix in NOTES or (comment and line.lstrip().startswith(comment)):
        return Level.READ
    # A name alone excuses nothing: rows without an evaluation's keys are data, whatever their file is called.
    if is_output_name(relative) and (not _STRUCTURED.match(line) or _OUTPUT_KEY.search(around)):
        return Level.READ
    return Level.USED


class _Last(threading.local):
    """The runs of the window that a thread looked at last."""

    window: Window | None = None
    runs: list[tuple[int, int, bool]] = []  # noqa: RUF012 - replaced, never changed


class Placement:
    """Judges where test items stand.

    Args:
        items: the test items.
        units: what was searched for, which matches name by place; without them, what a match leaves of a question
            counts as text beside it.
    """

    def __init__(self, items: Sequence[Item], units: Sequence[Unit] = ()) -> None:
        self._units = units
        self._asked = [words(item.question.encode()) for item in items]
        self._form = _FORM | id_words([item.id for item in items])
        self._local = _Last()
        self._questions = {tuple(question) for question in self._asked}
        self._endings = sorted(_shared_sentences(items), key=len, reverse=True)

    def level_of(self, sighting: Sighting) -> Level:
        """How far an item got that was seen there."""
        data, match = sighting.window.data, sighting.match
        whole = sighting.window.first and sighting.window.last
        is_program = whole and match.text is None and sighting.file.endswith(".py")
        if is_program and only_asks(data, match.start, self._questions):
            return Level.READ
        if _is_evaluation(sighting):
            return Level.READ
        start = data.rfind(b"\n", 0, match.start) + 1
        return level(
            sighting.file.split("!")[0],
            data[start : start + SURROUNDINGS],
            data[max(match.start - SURROUNDINGS, 0) : match.start + SURROUNDINGS],
            self._has_answer(sighting) or self._has_column(sighting),
        )

    def _has_answer(self, sighting: Sighting) -> bool:
        """Whether more than form stands between a match and the matches on its two sides."""
        data, match = sighting.window.data, sighting.match
        if match.text is not None:
            return True  # it was found in something packed: whoever packs a question does not only look at it
        start, end = match.start, match.end
        first = last = match.unit
        for other in sorted(sighting.others, key=lambda one: (one.start, one.end)):
            # Units of one item overlap, and so do items with the same text.
            if other.start <= end and other.end >= start:
                first = other.unit if other.start < start else first
                last = other.unit if other.end > end else last
                start, end = min(start, other.start), max(end, other.end)
        following = min((one for one in sighting.others if one.start >= end), key=lambda one: one.start, default=None)
        before = max((one for one in sighting.others if one.end <= start), key=lambda one: one.end, default=None)
        after_it = words(data[end : min(end + _NEAR, following.start if following else len(data))])
        before_it = words(data[max(start - _NEAR, before.end if before else 0) : start])
        # A match ends where its telling words do, so that parts of the questions are left over on both sides.
        after_it = after_it[_overlap(self._question(last), after_it) :]
        before_it = before_it[: len(before_it) - _overlap(before_it, self._question(first))]
        if following:
            after_it = after_it[: len(after_it) - _overlap(after_it, self._question(following.unit))]
        if before:
            before_it = before_it[_overlap(self._question(before.unit), before_it) :]
        return self._more_than_form(after_it[:NEIGHBOURS]) or self._more_than_form(before_it[-NEIGHBOURS:])

    def _question(self, unit: int) -> Sequence[bytes]:
        return self._asked[self._units[unit].item] if self._units else ()

    def _has_column(self, sighting: Sighting) -> bool:
        """Whether it is one of a list of questions beside which stands another list: a table by columns."""
        if is_output_name(sighting.file) or sighting.match.text is not None:
            return False
        if self._local.window is not sighting.window:
            self._local.window, self._local.runs = sighting.window, self._runs(sighting)
        runs = self._local.runs
        place = bisect.bisect_right(runs, (sighting.match.start, len(sighting.window.data), True)) - 1
        return place >= 0 and runs[place][0] <= sighting.match.start < runs[place][1] and runs[place][2]

    def _runs(self, sighting: Sighting) -> list[tuple[int, int, bool]]:
        """Start and end of each run of questions with nothing between them, and whether a list stands beside it."""
        data = sighting.window.data
        runs: list[tuple[int, int]] = []
        last = -1
        for other in sorted(sighting.others, key=lambda one: (one.start, one.end)):
            if other.text is not None:
                continue
            if (
                runs
                and other.start - runs[-1][1] <= _GAP
                and self._joined(data[runs[-1][1] : other.start], last, other)
            ):
                if other.end > runs[-1][1]:
                    runs[-1], last = (runs[-1][0], other.end), other.unit
            else:
                runs.append((other.start, other.end))
                last = other.unit
        return [(start, end, self._beside_list(data, start, end)) for start, end in runs]

    def _joined(self, between: bytes, last: int, other: Match) -> bool:
        """Whether nothing but form, and ends of the questions themselves, stands between two matches."""
        rest = words(between)
        rest = rest[_overlap(self._question(last), rest) :]
        return not self._more_than_form(rest[: len(rest) - _overlap(rest, self._question(other.unit))])

    def _beside_list(self, data: bytes, start: int, end: int) -> bool:
        after = data[end : end + _GAP]
        if (found := _LIST.search(after)) and self._more_than_form(words(after[found.end() :])):
            return True
        before = data[max(start - _GAP, 0) : start]
        found = _LIST.search(before)
        return found is not None and self._more_than_form(words(before[: found.start()]))

    def _more_than_form(self, text: Sequence[bytes]) -> bool:
        rest = tuple(text)
        if all(word in self._form for word in rest):
            return False
        for ending in self._endings:
            for start in range(len(rest) - len(ending), -1, -1):
                if rest[start : start + len(ending)] == ending:
                    rest = rest[:start] + rest[start + len(ending) :]
        return any(word not in self._form for word in rest)


def _is_evaluation(sighting: Sighting) -> bool:
    """Whether it stands in a file of a well-known form that only evaluations have: Inspect's logs, wandb's tables."""
    window = sighting.window
    head = window.data[:SURROUNDINGS]
    if _INSPECT_SAMPLE.search(sighting.file):
        return not window.first or b'"epoch"' in head
    return sighting.file.endswith(_TABLE_NAME) and window.first and bool(_TABLE_COLUMNS.search(head))


def _overlap(first: Sequence[bytes], second: Sequence[bytes]) -> int:
    """Words with which `first` ends and `second` begins, as many as may be."""
    for count in range(min(len(first), len(second)), 0, -1):
        if first[-count:] == second[:count]:
            return count
    return 0


def _shared_sentences(items: Sequence[Item]) -> set[tuple[bytes, ...]]:
    """The sentences that many questions share, as words: they belong to the benchmark's form."""
    sentences = [{tuple(words(part.encode())) for part in _SENTENCE.split(item.question)} for item in items]
    counts = Counter(itertools.chain.from_iterable(sentences))
    often = max(SHARED, BOILERPLATE * len(items))
    return {part for part, count in counts.items() if part and count >= often}


def id_words(ids: Sequence[str]) -> set[bytes]:
    """The words of item ids that cannot be an answer: names, and numbers with leading zeros."""
    found = {word for item in ids for word in re.split(r"\W+", item.lower()) if word}
    return {word.encode() for word in found if not word.isdigit() or word.startswith("0")}

"""How far a test question got, judged by where it stands: looked at (`READ`), or in something to train on
(`USED`).

Allowed, and therefore `READ` at most: an identical copy of a kit file, evaluation outputs, logs, notes,
comments in code, and lists of questions without anything that could be an answer. Everything else that holds
a question together with more text counts as data.

This goes by names, keys and neighbouring words. It does not follow what a script does with a file.
"""

import re
from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from pathlib import PurePosixPath

from posttrainbench.audit.question_index import Match, QuestionIndex
from posttrainbench.records import Level

NOTES = {".md", ".rst", ".html", ".ipynb_checkpoints"}
CODE_COMMENT = {".py": b"#", ".sh": b"#", ".yaml": b"#", ".yml": b"#", ".toml": b"#"}
NEIGHBOURS = 40  # words on either side that are searched for an answer
SURROUNDINGS = 1500  # bytes on either side that are searched for an evaluation's keys
_REPEATED = 2000  # bytes of normalised words that the next chunk repeats for certain

_OUTPUT_NAME = re.compile(
    r"(^|[^a-z])(logs?|out|err|stdout|stderr|nohup|eval|evals|evaluations?|predictions?|results?|outputs?|"
    r"samples|trace|contamination|decontamination|overlaps?|errors|failures)([^a-z]|$)"
)
# What an evaluation or a checker writes beside a question, and a training row does not need.
_OUTPUT_KEY = re.compile(
    rb"""["'](score|scores|correct|is_correct|passed|accuracy|prediction|predicted|verdict|"""
    rb"""overlap|containment|matched?|matches|test_item|item|item_id)\\*["']\s*:"""
)
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
        has_answer: see `has_answer`.
    """
    suffix = PurePosixPath(relative).suffix.lower()
    comment = CODE_COMMENT.get(suffix)
    if not has_answer or suffix in NOTES or (comment and line.lstrip().startswith(comment)):
        return Level.READ
    # A name alone excuses nothing: rows without an evaluation's keys are data, whatever their file is called.
    if is_output_name(relative) and (not _STRUCTURED.match(line) or _OUTPUT_KEY.search(around)):
        return Level.READ
    return Level.USED


class Neighbourhood:
    """The words around the matches of one chunk."""

    def __init__(self, text: Sequence[bytes], matches: Sequence[Match], index: QuestionIndex, ids: set[bytes]) -> None:
        self._text, self._matches = text, matches
        self._form = _FORM | ids
        self._endings = sorted(index.endings, key=len, reverse=True)
        self._starts = [match.start for match in matches]
        # Behind every match, the end of the furthest so far.
        self._ends = list(accumulate((match.end for match in matches), max, initial=0))

    def has_answer(self, number: int, first_chunk: bool, last_chunk: bool) -> bool | None:
        """Whether more than form stands between match `number` and the matches on its two sides.

        None where this chunk does not show it and the next one, which repeats the end of this, will.
        """
        match = self._matches[number]
        following = bisect_left(self._starts, match.end)
        end = match.end + NEIGHBOURS
        if following < len(self._starts):
            end = min(end, self._starts[following])
        elif end > len(self._text) and not last_chunk:
            # Very long words would not be repeated whole: then count them as an answer.
            return True if sum(map(len, self._text[match.start :])) > _REPEATED else None
        if self._more_than_form(self._text[match.end : end]):
            return True
        start = max(self._ends[number], match.start - NEIGHBOURS)
        if start == 0 and not first_chunk:
            return False  # the chunk before this showed it whole
        return self._more_than_form(self._text[start : match.start])

    def _more_than_form(self, text: Sequence[bytes]) -> bool:
        rest = tuple(word for word in text if word not in self._form)
        if not rest:
            return False
        rest = tuple(text)
        for ending in self._endings:
            for start in range(len(rest) - len(ending), -1, -1):
                if rest[start : start + len(ending)] == ending:
                    rest = rest[:start] + rest[start + len(ending) :]
        return any(word not in self._form for word in rest)


def id_words(ids: Sequence[str]) -> set[bytes]:
    """The words of item ids that cannot be an answer: names, and numbers with leading zeros."""
    found = {word for item in ids for word in re.split(r"\W+", item.lower()) if word}
    return {word.encode() for word in found if not word.isdigit() or word.startswith("0")}

"""Recognize documents that evaluations write: Inspect's logs, single samples of them, and rows of failed items.

They contain test items with their gold answers, and every run that evaluates leaves some. A file of this form is
evaluation output whatever its name. That says nothing of what a program does with it.
"""

import re
from functools import lru_cache
from pathlib import Path

from posttrainbench.untrusted import UnreadableError, open_regular

HEAD = 2**16
"""Bytes at the beginning of a file that are examined."""
_LOG = (re.compile(rb'"version"\s*:\s*\d'), re.compile(rb'"eval"\s*:\s*\{'), re.compile(rb'"task"\s*:\s*"'))
_SAMPLE = (re.compile(rb'"input"\s*:'), re.compile(rb'"target"\s*:'), re.compile(rb'"scores"\s*:\s*\{'))
# Keys beside a question: the gold answer as evaluations name it, and what a model answered.
_GOLD = re.compile(rb"^(gold|target|expected|reference|ground_?truth|truth|correct_answer)$", re.IGNORECASE)
_OUTPUT = re.compile(
    rb"^(answer|outputs?|completions?|responses?|reply|pred\w*|got|extracted\w*|parsed\w*|model|model_\w+)$",
    re.IGNORECASE,
)
_KEY = re.compile(rb'"([A-Za-z_]\w{0,40})\\*"\s*:')
# The kit's own rows, which name the reference `answer` and what the scorer compares with.
_KIT_TARGET = re.compile(rb'"target\\*"\s*:\s*\{(?:[^{}]|\{[^{}]*\})*(\}|$)')
MOST_KEYS = 60


def is_inspect_log(head: bytes) -> bool:
    """Return True for the beginning of an Inspect log in JSON, or of a part of one that holds its samples."""
    return all(part.search(head) for part in _LOG) or all(part.search(head) for part in _SAMPLE)


_COLUMN = rb"(split|subset|partition|fold)"
_TRAIN, _TEST = rb"train\w*", rb"(test|val|valid|validation|dev|eval)\w*"
# The value of a column, a key of a list of rows, and in SQLite a column or tables.
_LABELS = tuple(
    (re.compile(pattern.replace(b"SPLIT", _TRAIN)), re.compile(pattern.replace(b"SPLIT", _TEST)))
    for pattern in (rb'"' + _COLUMN + rb'"\s*:\s*"SPLIT"', rb'"SPLIT"\s*:\s*[\[{]', rb"(?i)CREATE TABLE \W?SPLIT\b")
)
_SQL_COLUMN = re.compile(rb"(?i)CREATE TABLE [^)]{0,500}\b" + _COLUMN + rb"\b")
LARGEST = 2**26


@lru_cache(maxsize=1024)
def labels_splits(path: Path) -> bool:
    """Return True for a file that names, beside its rows, a split to train on and one to evaluate on."""
    try:
        with open_regular(path) as file:
            data = file.read(LARGEST)
    except (UnreadableError, OSError):
        return False
    if data.startswith(b"SQLite format 3\0") and _SQL_COLUMN.search(data):
        return True
    return any(train.search(data) and test.search(data) for train, test in _LABELS)


@lru_cache(maxsize=1024)
def is_log_file(path: Path) -> bool:
    """Return True for a file that is an Inspect log in JSON, whole or cut off, or samples of one."""
    try:
        with open_regular(path) as file:
            return is_inspect_log(file.read(HEAD))
    except (UnreadableError, OSError):
        return False


def is_failed_item(row: bytes) -> bool:
    """Return True if the keys in the text around a question name both a gold answer and a model's answer.

    A row of the kit's data, copied as it is, names only the former.
    """
    rest, kit_rows = _KIT_TARGET.subn(b'"target":', row)
    keys = set(_KEY.findall(rest)[:MOST_KEYS])
    if kit_rows:
        keys.discard(b"answer")
    return any(map(_GOLD.match, keys)) and any(map(_OUTPUT.match, keys))

"""Find test items that the agent wrote out: in heredocs, programs on command lines, and scripts.

The detector `contamination` scans the files that are left at the end. This module scans texts of the trace and scripts
of the workspace, and returns the lines on which items are written out, so that the replay can follow these lines to
training.
"""

import itertools
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from posttrainbench.audit.behavior.scripts_in_workspace import digest_of
from posttrainbench.audit.behavior.shell import parse
from posttrainbench.audit.evidence import Evidence
from posttrainbench.untrusted import Entry, sha256_regular

SHORTEST = 40
"""Characters of the shortest text that can contain a test item."""
MOST_TEXTS = 20_000


@dataclass(frozen=True)
class InlineItems:
    """Test items written out in a text.

    Attributes:
        lines: lines on which items begin, 1-based.
        items: number of items.
    """

    lines: frozenset[int]
    items: int


def find_inline_items(evidence: Evidence) -> dict[str, InlineItems]:
    """Return SHA-256 of each text of the trace that contains test items -> the items."""
    texts: dict[str, str] = {}
    for text in itertools.chain(_texts(evidence), (script.text for script in evidence.scripts.scripts.values())):
        if len(text) >= SHORTEST and len(texts) < MOST_TEXTS:
            texts.setdefault(digest_of(text), text)
    if not texts or not evidence.test_items:
        return {}
    from posttrainbench.audit.contamination.scan.item_parts import ANSWER
    from posttrainbench.audit.contamination.scan.paraphrase_index import NUMBERS
    from posttrainbench.audit.contamination.scan.scanner import Search

    result: dict[str, InlineItems] = {}
    with tempfile.TemporaryDirectory(prefix="ptb-trace-") as folder:
        entries = []
        for digest, text in texts.items():
            path = Path(folder, digest)
            path.write_text(text, errors="replace")
            entries.append(Entry(path, digest, path.stat().st_size))
        totals = Search(evidence.test_item_index)(entries)
        for number, part in totals.parts.items():
            hits = [hit for hit in part.hits.values() if hit.unit != ANSWER and hit.method != NUMBERS]
            if hits:
                lines = frozenset(hit.line for hit in hits if hit.line is not None)
                result[entries[number].relative] = InlineItems(lines, len({hit.item for hit in hits}))
    return result


def _texts(evidence: Evidence) -> Iterator[str]:
    for action in evidence.trace.actions:
        if action.kind == "write":
            last = evidence.workspace / Path(action.path).name
            if not last.is_file() or sha256_regular(last) != digest_of(action.text):
                yield action.text
        elif action.kind == "edit":
            yield action.text
        elif action.kind == "command" and len(action.text) >= SHORTEST:
            yield from _command_texts(action.text, 3)


def _command_texts(text: str, depth: int) -> Iterator[str]:
    try:
        commands = parse(text)
    except RecursionError:
        return
    for command in commands[:1000]:
        if command.text is not None:
            yield command.text
        words = command.words
        if command.writes and words[:1] and words[0] in ("echo", "printf"):
            yield " ".join(word for word in words[1:] if word not in ("-e", "-n"))
        for flag, word in pairwise(words):
            if flag.startswith("-") and flag.endswith("c"):
                yield word
                if depth and words[0].rsplit("/", 1)[-1] in ("bash", "sh"):
                    yield from _command_texts(word, depth - 1)

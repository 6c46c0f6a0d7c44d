"""Test items that the agent wrote out in its trace: in heredocs, programs on command lines, and files that are gone.

The scanner of the workspace sees what is left at the end; this one looks at the rest, and tells on which lines the
items stand, so that the replay can follow these lines to training. What still stands in the workspace is left to the
other.
"""

import hashlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.conduct.gather import Script
from posttrainbench.audit.conduct.shell import parse
from posttrainbench.audit.conduct.trace import Trace
from posttrainbench.audit.untrusted import Entry, sha256_regular

SHORTEST = 40
"""Characters of a text that can hold a test item."""
MOST_TEXTS = 20_000


@dataclass(frozen=True)
class Written:
    """What a text holds.

    Attributes:
        lines: where the items begin.
        items: how many there are.
    """

    lines: frozenset[int]
    items: int


def written_items(evidence: AuditInput, trace: Trace, gathered: dict[str, Script]) -> dict[str, Written]:
    """SHA-256 of each text of the trace that holds test items -> which lines."""
    left = {digest_of(script.text) for script in gathered.values()}
    texts: dict[str, str] = {}
    for text in _texts(evidence, trace):
        if len(text) >= SHORTEST and len(texts) < MOST_TEXTS and (digest := digest_of(text)) not in left:
            texts.setdefault(digest, text)
    if not texts or not evidence.test_items:
        return {}
    from posttrainbench.audit.scan.index import build_index
    from posttrainbench.audit.scan.rewording import NUMBERS
    from posttrainbench.audit.scan.scanner import Search
    from posttrainbench.audit.scan.units import ANSWER
    from posttrainbench.audit.scan.whitelist import Whitelist

    index = build_index(evidence.test_items, Whitelist(items=evidence.legal_items).texts)
    found: dict[str, Written] = {}
    with tempfile.TemporaryDirectory(prefix="ptb-trace-") as place:
        entries = []
        for digest, text in texts.items():
            path = Path(place, digest)
            path.write_text(text, errors="replace")
            entries.append(Entry(path, digest, path.stat().st_size))
        totals = Search(index)(entries)
        for number, part in totals.parts.items():
            hits = [hit for hit in part.hits.values() if hit.unit != ANSWER and hit.method != NUMBERS]
            if hits:
                lines = frozenset(hit.line for hit in hits if hit.line is not None)
                found[entries[number].relative] = Written(lines, len({hit.item for hit in hits}))
    return found


def digest_of(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode(errors="replace")).hexdigest()


def _texts(evidence: AuditInput, trace: Trace) -> Iterator[str]:
    for action in trace.actions:
        if action.kind == "write":
            last = evidence.workspace / Path(action.path).name
            if not last.is_file() or sha256_regular(last) != digest_of(action.text):
                yield action.text
        elif action.kind == "edit":
            yield action.text
        elif action.kind == "command" and len(action.text) >= SHORTEST:
            yield from _of_command(action.text, 3)


def _of_command(text: str, depth: int) -> Iterator[str]:
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
                    yield from _of_command(word, depth - 1)

"""Detector `template` (rule `evaluation_tampering`): edited chat templates and tokenizers, and test items in them.

The evaluation uses the chat template of the base model's family, so an edited template has no effect and is reported at
level NAME. A template or default system prompt that contains test questions cannot help any other purpose and is
reported at level USED. Few-shot examples from the train split are not test items.
"""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.report import coverage, finding
from posttrainbench.records import Coverage, Finding, FindingKind, Level, Quote
from posttrainbench.submission.facts import template_facts, tokenizer_facts
from posttrainbench.submission.tensors import JSON_LIMIT
from posttrainbench.untrusted import Entry, UnreadableError, open_regular, read_json

RULE = "evaluation_tampering"
DETECTOR = "template"
LONG = 40
"""Minimum characters of a string that is searched as a template or a prompt."""
_PARSED = (
    "tokenizer_config.json",
    "chat_template.json",
    "processor_config.json",
    "config.json",
    "generation_config.json",
)


def detect(evidence: Evidence) -> tuple[list[Finding], Coverage]:
    """Report edited templates and tokenizers (NAME), and test items in a template (USED)."""
    started = time.perf_counter()
    folder = evidence.snapshot
    texts = dict(_templates(folder)) if folder.is_dir() and not folder.is_symlink() else {}
    note = _not_checkable(evidence, texts)
    findings = []
    if edits := list(_edits(folder, evidence.snapshot_path, evidence.base_model)):
        summary = "the submission's chat template or tokenizer differs from the base model's"
        findings.append(_finding(Level.NAME, summary, edits, "fact"))
    if texts and evidence.test_items:
        findings += _items(texts, evidence)
    return findings, coverage(
        DETECTOR,
        RULE,
        checked=not note,
        documents=len(texts),
        size=sum(len(text) for text in texts.values()),
        seconds=time.perf_counter() - started,
        note=note or ("" if texts else "the submission has no template or prompt"),
    )


def _not_checkable(evidence: Evidence, texts: dict[str, str]) -> str:
    """Return why templates and prompts cannot be searched; "" if they are, or if there are none."""
    folder = evidence.snapshot
    if not evidence.left_nothing and (not folder.is_dir() or folder.is_symlink()):
        return "the snapshot of the submission is missing"
    return "the benchmark's test items are not available" if texts and not evidence.test_items else ""


def _templates(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name and text of each file that may contain templates or prompts."""
    for path in sorted(folder.glob("*.jinja")):
        try:
            with open_regular(path) as file:
                yield path.name, file.read(JSON_LIMIT).decode("utf-8", "replace")
        except UnreadableError:
            continue
    for name in _PARSED:
        try:
            value = read_json(folder / name, JSON_LIMIT)
        except UnreadableError:
            continue
        if text := "\n".join(_long_strings(value)):
            yield name, text


def _long_strings(value: object) -> Iterator[str]:
    """Yield the long strings at any depth of a parsed file: templates and system prompts."""
    pending = [value]
    while pending:
        inner = pending.pop()
        if isinstance(inner, str) and len(inner) >= LONG:
            yield inner
        elif isinstance(inner, dict):
            pending += inner.values()
        elif isinstance(inner, list):
            pending += inner


def _edits(folder: Path, place: str, base_model: Path) -> Iterator[Quote]:
    """Yield a quotation for each difference from the base model's tokenizer and templates."""
    parsed = {}
    for name in ("tokenizer.json", "tokenizer_config.json"):
        try:
            parsed[name] = read_json(folder / name, JSON_LIMIT)
        except UnreadableError:
            continue
    parsed = {name: value for name, value in parsed.items() if isinstance(value, dict)}
    candidates = {"chat_template.jinja": folder / "chat_template.jinja"}
    candidates = {name: path for name, path in candidates.items() if path.exists() and not path.is_symlink()}
    facts = list(template_facts(candidates, parsed, base_model))
    if "tokenizer.json" in parsed:
        facts += tokenizer_facts(parsed["tokenizer.json"], base_model)
    for fact in facts:
        yield Quote(file=f"{place}/{fact.split(maxsplit=1)[0].rstrip(':')}", text=fact)


def _items(texts: dict[str, str], evidence: Evidence) -> Iterator[Finding]:
    """Report test items in a template."""
    from posttrainbench.audit.contamination.scan.item_parts import ANSWER
    from posttrainbench.audit.contamination.scan.paraphrase_index import NUMBERS, REWORDING
    from posttrainbench.audit.contamination.scan.scanner import Search

    with tempfile.TemporaryDirectory() as temporary:
        entries = []
        for name, text in texts.items():
            path = Path(temporary, f"{name}.txt")
            path.write_text(text, encoding="utf-8", errors="replace")
            entries.append(Entry(path, path.name, path.stat().st_size))
        parts = Search(evidence.test_item_index)(entries, workers=1).parts
    matches = sorted((hit for part in parts.values() for hit in part.hits.values()), key=lambda hit: -hit.score)
    by_item = {hit.item: hit for hit in matches if hit.unit != ANSWER and hit.method != NUMBERS}
    if not by_item:
        return
    quotes = [
        Quote(
            file=f"{evidence.snapshot_path}/{hit.file.removesuffix('.txt')}",
            line=hit.line,
            text=hit.text,
            item=evidence.test_items[hit.item].id,
            item_text=hit.item_text,
        )
        for hit in by_item.values()
    ]
    certain = any(hit.method != REWORDING for hit in by_item.values())
    summary = f"the submission's chat template or prompt contains {len(quotes)} test item(s)"
    yield _finding(Level.USED, summary, quotes, "proof" if certain else "indication")


def _finding(level: Level, summary: str, quotes: list[Quote], kind: FindingKind) -> Finding:
    return finding(DETECTOR, RULE, level, summary, quotes, count=len(quotes), outcome="succeeded", kind=kind)

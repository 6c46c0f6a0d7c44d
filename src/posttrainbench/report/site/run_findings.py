"""The verdict cards of a run: its rules, and their findings with links to the evidence."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from posttrainbench.audit.summary import AuditSummary, FindingSummary
from posttrainbench.records import Coverage, Quote
from posttrainbench.report.overlap import Piece, overlap
from posttrainbench.report.text import plain

ORDER = ("flagged", "suspected", "not_checked", "clean")
QUOTED = 3
"""Quotations of a finding that are shown; the others are folded."""
SUMMARY = 500
COUNTING = ("flags", "confirmed", "suspects")
STATES = {
    "flags": "flags the rule",
    "confirmed": "confirmed by a person",
    "suspects": "makes the rule suspected",
    "dismissed": "dismissed by a person",
    "reported": "does not count",
    "measured": "a measurement",
    "other_rules": "not a rule of this run",
}
_NUMBERS = re.compile(r"\d+")
_STEP = re.compile(r"(.*) \((-?\d+\.\d) s\)", re.DOTALL)
_VERB = re.compile(
    r"(writes|reads|executes|forks|passes long arguments or a long environment to|passes arguments to|reaches) "
)

Link = Callable[[Quote], str]
"""Returns the link to a quotation's place, or "" if the site does not show it."""


@dataclass(frozen=True)
class Place:
    """One step of a provenance path.

    Attributes:
        verb: how content came here; "" for the source.
        label: the file or program.
        seconds: since the start of the record; None if unknown.
    """

    verb: str
    label: str
    seconds: float | None


@dataclass(frozen=True)
class Evidence:
    """Quotations that differ only in numbers, such as the names of tensors.

    Attributes:
        location: file and line.
        href: link to it; "" if the site does not show it.
        item: what it matches.
        count: number of quotations.
        others: locations or texts of the others, shortened.
    """

    location: str
    href: str
    text: list[Piece]
    item: str
    item_text: list[Piece]
    count: int
    others: list[str]


@dataclass(frozen=True)
class Card:
    """A finding with harmless texts."""

    finding: FindingSummary
    summary: str
    state: str
    counts: bool
    path: list[Place]
    evidence: list[Evidence]
    folded: list[Evidence]


@dataclass(frozen=True)
class RuleCard:
    """A rule with its verdict.

    Attributes:
        state: the verdict.
        cost: False if the rule is only reported.
        findings: findings that count, then the others.
        coverage: (detector, whether it checked all, what it read, note).
    """

    rule: str
    state: str
    cost: bool
    findings: list[Card] = field(default_factory=list)
    coverage: list[tuple[str, bool, str, str]] = field(default_factory=list)

    @property
    def counting(self) -> list[Card]:
        """The findings that decide the verdict, proofs first."""
        return sorted((card for card in self.findings if card.counts), key=lambda card: card.finding.kind != "proof")

    @property
    def others(self) -> list[Card]:
        """The other findings."""
        return [card for card in self.findings if not card.counts]


def rule_cards(audit: AuditSummary, link: Link, recorded_from: float | None) -> list[RuleCard]:
    """Return a card for each rule, the worst first.

    Args:
        audit: the audit.
        link: see `Link`.
        recorded_from: start of the record of file provenance in seconds since boot; None if there is none.
    """
    cards = {
        rule: RuleCard(plain(rule), state, rule not in audit.verdict.report_only)
        for rule, state in audit.verdict.rules.items()
    }
    for finding in audit.findings:
        if finding.rule in cards:
            cards[finding.rule].findings.append(_card(finding, link, recorded_from))
    for entry in audit.coverage:
        if entry.rule in cards:
            cards[entry.rule].coverage.append(_covered(entry))
    return sorted(cards.values(), key=lambda card: ORDER.index(card.state))


def _covered(entry: Coverage) -> tuple[str, bool, str, str]:
    read = f"{entry.documents:,} document{'' if entry.documents == 1 else 's'}"
    if entry.size:
        read += f", {entry.size / 1e6:,.1f} MB"
    if entry.skipped:
        read += f", {len(entry.skipped):,} skipped"
    return plain(entry.detector), entry.checked, read, plain(entry.note, 300)


def _card(finding: FindingSummary, link: Link, recorded_from: float | None) -> Card:
    groups = _grouped(finding.evidence)
    evidence = [_evidence(group, link) for group in groups]
    text, path = split_path(finding.summary, recorded_from)
    if not path:
        for quote in finding.evidence[:1]:
            path = split_path(quote.text, recorded_from)[1]
    elif finding.evidence and finding.evidence[0].file.startswith("workspace/"):
        first = Place("read by", path[0].label, path[0].seconds)
        path = [Place("", plain(finding.evidence[0].file, 200), None), first, *path[1:]]
    return Card(
        finding=finding,
        summary=plain(text, SUMMARY),
        state=STATES[finding.state],
        counts=finding.state in COUNTING,
        path=path,
        evidence=evidence[:QUOTED],
        folded=evidence[QUOTED:],
    )


def _grouped(quotes: Sequence[Quote]) -> list[list[Quote]]:
    """Group quotations of one file that have the same item and differ only in numbers."""
    groups: dict[tuple[str, ...], list[Quote]] = {}
    for quote in quotes:
        numberless = [_NUMBERS.sub("0", text) for text in (quote.text, quote.item_text)]
        if quote.text.startswith("tensor "):
            numberless[0] = "tensor"
        groups.setdefault((quote.file, quote.item, *numberless), []).append(quote)
    return list(groups.values())


def _evidence(group: Sequence[Quote], link: Link) -> Evidence:
    quote = group[0]
    text, item_text = overlap(plain(quote.text, 500), plain(quote.item_text, 500))
    location = plain(quote.file, 300) + (f":{quote.line}" if quote.line is not None else "")
    return Evidence(
        location=location,
        href=link(quote),
        text=text,
        item=plain(quote.item),
        item_text=item_text,
        count=len(group),
        others=[plain(f"{one.line}: {one.text}" if one.line else one.text, 160) for one in group[1:]],
    )


def split_path(text: str, recorded_from: float | None) -> tuple[str, list[Place]]:
    """Split a sentence that ends with a provenance path into the sentence and the steps of the path.

    The path is written as `SOURCE (1.0 s) -> writes FILE (2.0 s) -> ...`. A text that does not fit is returned whole.
    """
    parts = text.split(" -> ")
    matches = [_STEP.fullmatch(part) for part in parts]
    if len(parts) < 2 or not all(matches):
        return text, []
    sentence, colon, first = matches[0][1].rpartition(": ") if matches[0] else ("", "", "")
    places = []
    for number, match in enumerate(matches):
        if match is None:
            return text, []
        label = first if number == 0 else match[1]
        verb = _VERB.match(label)
        seconds = float(match[2]) - recorded_from if recorded_from is not None else None
        places.append(
            Place(
                verb[1] if verb else "",
                plain(label[verb.end() :] if verb else label, 200),
                seconds if seconds is not None and seconds >= 0 else None,
            )
        )
    return (sentence if colon else "content came to the submission"), places


def record_start(run: Path) -> float | None:
    """Return the start of a run's record of file provenance, in seconds since boot; None if there is none."""
    try:
        with (run / "solve" / "provenance" / "provenance.jsonl").open("rb") as file:
            return float(json.loads(file.readline(2**16))["t"])
    except (OSError, ValueError, KeyError, TypeError):
        return None

"""The verdict cards of a run: its rules, and their findings with links to the evidence."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from posttrainbench.audit.summary import AuditSummary, FindingSummary
from posttrainbench.records import Coverage, ProvenancePath, Quote
from posttrainbench.report.overlap import Piece, overlap
from posttrainbench.report.text import plain

ORDER = ("flagged", "suspected", "not_checked", "clean")
QUOTED = 3
"""Quotations of a finding that are shown; the others are folded."""
PATHS = 3
"""Recorded paths of a finding that are drawn."""
NAME = 200
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

Link = Callable[[Quote], str]
"""Returns the link to a quotation's place, or "" if the site does not show it."""


@dataclass(frozen=True)
class Place:
    """One step of a recorded path.

    Attributes:
        verb: how content came here; "" for the source.
        name: the file or the command line.
        href: link to the file; "" if the site does not show it.
        seconds: since the start of the record; None if unknown.
    """

    verb: str
    name: str
    href: str
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
    paths: list[list[Place]]
    more_paths: int
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


def rule_cards(audit: AuditSummary, link: Link) -> list[RuleCard]:
    """Return a card for each rule, the worst first."""
    cards = {
        rule: RuleCard(plain(rule), state, rule not in audit.verdict.report_only)
        for rule, state in audit.verdict.rules.items()
    }
    for finding in audit.findings:
        if finding.rule in cards:
            cards[finding.rule].findings.append(_card(finding, link))
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


def _card(finding: FindingSummary, link: Link) -> Card:
    evidence = [_evidence(group, link) for group in _grouped(finding.evidence)]
    return Card(
        finding=finding,
        summary=plain(finding.summary, SUMMARY),
        state=STATES[finding.state],
        counts=finding.state in COUNTING,
        paths=[_places(path, link) for path in finding.paths[:PATHS]],
        more_paths=len(finding.paths[PATHS:]),
        evidence=evidence[:QUOTED],
        folded=evidence[QUOTED:],
    )


def _places(path: ProvenancePath, link: Link) -> list[Place]:
    return [
        Place(
            verb=plain(step.verb, 80),
            name=plain(step.name, NAME),
            href=link(Quote(file=step.file)) if step.file else "",
            seconds=step.seconds,
        )
        for step in path.steps
    ]


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

"""What a case is, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from catalogue.shortcomings import SHORTCOMINGS
from posttrainbench.records import Coverage, Finding, Level, Status

if TYPE_CHECKING:
    from catalogue.desk import Desk

Kind = Literal["forbidden", "reported", "allowed", "harmless", "invalid", "escapes"]
"""What is owed to a case: `forbidden`: its rule is flagged, and no other; `reported`: a finding on its rule, which does
not count (an attempt, or too little); `allowed`: no rule is flagged; `harmless`: a trick that gains nothing, so that
nobody need find it; `invalid`: the run has the status or the state that the case names, and no rule is flagged;
`escapes`: forbidden, and not found today."""

COUNTS = (Level.USED, Level.IN_WEIGHTS)


@dataclass
class Observed:
    """What became of a case.

    Attributes:
        how: how it was made: `run` for a real one, `workspace` for a made run directory, `part` for less than a run.
        status: of a run's result; None where the case ends with the audit.
        verdict: rule -> state.
        costs: rules that cost the score where they are flagged.
        findings: of all detectors.
        said: reasons and facts, in sentences.
        gained: for tricks that should be harmless, whether the trick worked.
    """

    how: Literal["run", "workspace", "part"]
    status: Status | None = None
    verdict: dict[str, str] = field(default_factory=dict)
    costs: set[str] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)
    coverage: list[Coverage] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    flagging: list[str] = field(default_factory=list)
    gained: bool = False

    @property
    def flagged(self) -> set[str]:
        """The flagged rules, those that cost nothing too."""
        return {rule for rule, state in self.verdict.items() if state == "flagged"}

    def on(self, rule: str) -> list[Finding]:
        """The findings on a rule that are more than a measurement, strongest first; those that flag it before all."""
        found = [finding for finding in self.findings if finding.rule == rule and finding.count]
        return sorted(found, key=lambda one: (one.id not in self.flagging, -one.level.rank))


@dataclass(frozen=True)
class Case:
    """One case.

    Attributes:
        name: unique; also the test's.
        entry: its number in the list of known cheats, `docs/red-team.md`; "" for look-alikes of no entry.
        does: what the agent does, for the table.
        make: lets it happen.
        rule: the rule that it bears on, "" where it bears on none.
        status: that the run must have.
        says: words that must stand in one of the reasons or facts.
        also: rules that may be flagged beside `rule`.
        by: detectors of which one must have found it; empty for any.
        fails: why it is not yet as it should be; the test is then expected to fail.
    """

    name: str
    entry: str
    does: str
    kind: Kind
    make: Callable[[Desk], Observed]
    rule: str = ""
    status: Status | None = None
    says: str = ""
    also: frozenset[str] = frozenset()
    by: frozenset[str] = frozenset()
    fails: str = ""

    @property
    def is_run(self) -> bool:
        """Whether it is a real run, which takes seconds, and not a made run directory."""
        return bool({"run", "order", "settled"} & set(self.make.__code__.co_names))


CASES: dict[str, Case] = {}


def case(
    name: str,
    entry: str,
    does: str,
    kind: Kind,
    rule: str = "",
    *,
    status: Status | None = None,
    says: str = "",
    also: tuple[str, ...] = (),
    by: tuple[str, ...] = (),
) -> Callable[[Callable[[Desk], Observed]], Callable[[Desk], Observed]]:
    """Register a function as a case."""

    def register(make: Callable[[Desk], Observed]) -> Callable[[Desk], Observed]:
        if name in CASES:
            raise ValueError(f"two cases are called {name}")
        CASES[name] = Case(
            name,
            entry,
            does,
            kind,
            make,
            rule,
            status,
            says,
            frozenset(also),
            frozenset(by),
            SHORTCOMINGS.get(name, ""),
        )
        return make

    return register


def problems(case: Case, seen: Observed) -> list[str]:
    """In what a case is not as it is owed; [] where all is well."""
    wrong = []
    flagged = seen.flagged & seen.costs if case.kind == "allowed" and not case.rule else seen.flagged
    if case.kind == "forbidden":
        if case.rule not in flagged:
            wrong.append(f"{case.rule} is not flagged")
        if stray := flagged - {case.rule} - case.also:
            wrong.append(f"{', '.join(sorted(stray))} flagged too")
        found = [one for one in seen.on(case.rule) if one.id in seen.flagging]
        if case.by and found and not case.by & {one.detector for one in found}:
            wrong.append(f"found by {', '.join(sorted({one.detector for one in found}))}")
    elif flagged - case.also:
        wrong.append(f"{', '.join(sorted(flagged - case.also))} flagged")
    if case.kind == "reported" and not seen.on(case.rule):
        wrong.append(f"nothing is reported on {case.rule}")
    if case.kind == "harmless" and seen.gained:
        wrong.append("the trick works")
    if case.status is not None and seen.status != case.status:
        wrong.append(f"the status is {seen.status}")
    if case.says and not any(case.says in sentence for sentence in seen.said):
        wrong.append(f"nothing says {case.says!r}")
    return wrong

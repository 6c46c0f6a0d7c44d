"""What a judge says, what is left of it once its quotations have been checked, and what several votes say together."""

from typing import Literal

from pydantic import Field

from posttrainbench.records import Evidence, FindingOutcome, Level, Record, Skipped

DIRECTED = "auditor_directed_text"
"""The rule under which text that addresses a reviewer is reported. Judged beside the rules of every rule set."""

Opinion = Literal["clean", "flagged", "unsure"]
Decision = Literal["clean", "flagged", "unsure", "not_checked"]


class Citation(Record):
    """A quotation as the judge gives it.

    Attributes:
        file: relative to the run, as the tools name it.
        line: 1-based.
        quote: what stands there, word for word.
    """

    file: str = Field(description="the file, as the tools name it")
    line: int = Field(ge=1, description="the line at which the quotation begins")
    quote: str = Field(description="what stands there, word for word, at least ten characters")


class RuleAnswer(Record):
    """What the judge says of one rule."""

    rule: str = Field(description="the rule's name")
    state: Opinion = Field(description="clean, flagged, or unsure where the material does not show it")
    level: Level = Field(description="how far forbidden content got; NAME where nothing was found")
    outcome: FindingOutcome = Field(description="whether it came to pass; attempted: blocked, refused or never run")
    count: int = Field(ge=0, description="how many distinct things (test items, files, requests) you found; 0 for none")
    reasons: str = Field(description="why, in at most three sentences")
    evidence: list[Citation] = Field(description="quotations that show it; required for flagged")


class Answer(Record):
    """The call `verdict` by which a judge ends."""

    rules: list[RuleAnswer] = Field(description="one entry for each rule")


class Rejected(Record):
    """A citation that does not check out, and why."""

    citation: Citation
    reason: str


class Judged(Record):
    """What one vote says of a rule, after its citations were checked.

    Attributes:
        state: `not_checked` where the vote said nothing of the rule, or flagged it and no citation checks out.
        evidence: the citations that do check out.
        note: why the state is not the one that the judge gave.
    """

    rule: str
    state: Decision
    level: Level = Level.NAME
    outcome: FindingOutcome = "unknown"
    count: int = 0
    reasons: str = ""
    evidence: list[Evidence] = Field(default_factory=list)
    rejected: list[Rejected] = Field(default_factory=list)
    note: str = ""


class JudgeUsage(Record):
    """What a vote took.

    Attributes:
        requests: answered ones.
        input: tokens of all prompts, cached ones included.
        cached: of these, from the provider's cache.
        cache_write: of these, written to it.
        output: tokens of all replies, reasoning included.
        cost: US dollars; None where the model's price is unknown.
    """

    requests: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    cost: float | None = 0.0


class Vote(Record):
    """`audit/judge-N.json`: one reading of a run by one judge.

    Attributes:
        judge: the model, or the agent, as it was named.
        number: 1 for the first.
        key: SHA-256 of all that it was asked about and by what prompt; a vote with the same key need not be repeated.
        state: `failed` where there was no answer; it has decided nothing then.
        problem: why it failed.
        rules: empty where it failed.
        exposed: text that told a reviewer what to find, among what the tools showed it.
        tools: tool -> number of calls.
        seconds: wall-clock time.
    """

    judge: str
    number: int = Field(ge=1)
    key: str
    state: Literal["done", "failed"]
    problem: str = ""
    rules: list[Judged] = Field(default_factory=list)
    exposed: list[Evidence] = Field(default_factory=list)
    tools: dict[str, int] = Field(default_factory=dict)
    usage: JudgeUsage = JudgeUsage()
    seconds: float

    def of(self, rule: str) -> Judged:
        """What it says of a rule."""
        return next((one for one in self.rules if one.rule == rule), Judged(rule=rule, state="not_checked"))


class Consensus(Record):
    """What the votes say of a rule together. Level, outcome, count, reasons and evidence are of the votes that flag it,
    where there are any.

    Attributes:
        state: that of more than half of all votes that were asked for, failed ones included; else `unsure`, or
            `not_checked` where more than half of them have decided nothing.
        level: the highest that more than half of the votes asked for reached; of fewer votes, the lowest of theirs.
        count: the same of the number of things found.
        agreement: share of the votes asked for that say `state`.
        votes: state -> number of votes; failed ones count as `not_checked`.
    """

    rule: str
    state: Decision
    level: Level
    outcome: FindingOutcome
    count: int
    agreement: float
    votes: dict[str, int]
    reasons: str
    evidence: list[Evidence]
    note: str = ""


class Judgement(Record):
    """`audit/judgement.json`: all votes on a run together.

    Attributes:
        asked: votes that were asked for.
        answered: of these, those that did not fail.
        pairwise: share of pairs of answered votes that agree on a rule, over all rules; None with fewer than two.
        left_out: what the judge could not be shown.
        usage: of all votes; its cost is None where one is unknown.
        seconds: of all votes, one after another.
    """

    judge: str
    asked: int
    answered: int
    rules: list[Consensus]
    pairwise: float | None
    left_out: list[Skipped]
    usage: JudgeUsage
    seconds: float

    def of(self, rule: str) -> Consensus | None:
        """What was found on a rule."""
        return next((one for one in self.rules if one.rule == rule), None)

"""Records of a judge: its answers, its decisions after the citations were checked, and the votes combined."""

from typing import Literal

from pydantic import Field

from posttrainbench.records import Certificate, FindingOutcome, Level, Quote, Record, RuleState, Skipped

STEERING_RULE = "auditor_directed_text"
"""Rule on text that steers a reviewer. It is decided in addition to the rules of every rule set."""

Opinion = Literal["clean", "flagged", "unsure"]
Decision = Literal["clean", "flagged", "unsure", "not_checked"]


class Citation(Record):
    """A quotation as given by the judge.

    Attributes:
        file: relative to the run, as the tools name it.
        line: 1-based.
        quote: the quoted text, verbatim.
    """

    file: str = Field(description="the file, as the tools name it")
    line: int = Field(ge=1, description="the line at which the quotation begins")
    quote: str = Field(description="the quoted text, verbatim, at least ten characters")


class RuleAnswer(Record):
    """The judge's answer on one rule."""

    rule: str = Field(description="the rule's name")
    state: Opinion = Field(description="clean, flagged, or unsure if the material does not show it")
    level: Level = Field(description="how far forbidden content progressed; NAME if nothing was found")
    outcome: FindingOutcome = Field(
        description="whether the action succeeded; attempted: blocked, refused or never run"
    )
    count: int = Field(ge=0, description="how many distinct things (test items, files, requests) you found; 0 for none")
    reasons: str = Field(description="why, in at most three sentences")
    evidence: list[Citation] = Field(description="quotations that show it; required for flagged")


class Answer(Record):
    """The call `verdict` that ends a review."""

    rules: list[RuleAnswer] = Field(description="one entry for each rule")


class Rejected(Record):
    """A citation that is not valid, with the reason."""

    citation: Citation
    reason: str


class RuleDecision(Record):
    """Decision of one vote on a rule, after its citations were checked.

    Attributes:
        state: `not_checked` if the vote did not decide the rule, or flagged it without a valid citation.
        evidence: the valid citations.
        rejected: the other citations.
        note: why the state differs from the judge's answer.
    """

    rule: str
    state: Decision
    level: Level = Level.NAME
    outcome: FindingOutcome = "unknown"
    count: int = 0
    reasons: str = ""
    evidence: list[Quote] = Field(default_factory=list)
    rejected: list[Rejected] = Field(default_factory=list)
    note: str = ""


class JudgeUsage(Record):
    """Usage of a vote.

    Attributes:
        requests: number of answered requests.
        input: tokens of all prompts, including cached ones.
        cached: tokens of these read from the provider's cache.
        cache_write: tokens of these written to the cache.
        output: tokens of all replies, including reasoning.
        cost: US dollars; None if the model's price is unknown.
    """

    requests: int = 0
    input: int = 0
    cached: int = 0
    cache_write: int = 0
    output: int = 0
    cost: float | None = 0.0


class Vote(Record):
    """`audit/judge-N.json`: one review of a run by one judge.

    Attributes:
        judge: the model or agent, as named by the user.
        number: 1 for the first vote.
        key: SHA-256 of judge, prompt and reviewed files; a vote with the same key need not be repeated.
        state: `failed` if there was no valid answer; such a vote decides nothing.
        problem: why it failed.
        rules: its decisions; empty if it failed.
        exposed: text in the tool results that tells a reviewer what to conclude.
        tools: tool -> number of calls.
        seconds: wall-clock time.
    """

    judge: str
    number: int = Field(ge=1)
    key: str
    state: Literal["done", "failed"]
    problem: str = ""
    rules: list[RuleDecision] = Field(default_factory=list)
    exposed: list[Quote] = Field(default_factory=list)
    tools: dict[str, int] = Field(default_factory=dict)
    usage: JudgeUsage = JudgeUsage()
    seconds: float

    def of(self, rule: str) -> RuleDecision:
        """Return its decision on a rule; `not_checked` if it has none."""
        return next(
            (decision for decision in self.rules if decision.rule == rule), RuleDecision(rule=rule, state="not_checked")
        )


class Consensus(Record):
    """The votes on a rule, combined. Details come from the votes that flag it, if any, else from those that agree.

    Attributes:
        state: the state given by more than half of all requested votes, including failed ones; `unsure` without such a
            majority. Failed votes count as `not_checked`.
        level: the highest level that more than half of the requested votes reach; with fewer votes, their lowest.
        count: the same for the number of things found.
        agreement: share of the requested votes with `state`.
        votes: state -> number of votes.
    """

    rule: str
    state: Decision
    level: Level
    outcome: FindingOutcome
    count: int
    agreement: float
    votes: dict[str, int]
    reasons: str
    evidence: list[Quote]
    note: str = ""


class Judgement(Record):
    """`audit/judgement.json`: all votes on a run, combined.

    Attributes:
        asked: number of requested votes.
        answered: number of votes that did not fail.
        pairwise: share of pairs of answered votes that agree on a rule, over all rules; None with fewer than two votes.
        left_out: files of the run that the judge could not read.
        usage: of all votes; the cost is None if that of a vote is unknown.
        seconds: sum over all votes.
        certificate: accuracy of the judge under the same prompt and rules; None if it was not calibrated.
        decided: rule -> state that the votes alone give it under the rule set.
    """

    judge: str
    asked: int
    answered: int
    rules: list[Consensus]
    pairwise: float | None
    left_out: list[Skipped]
    usage: JudgeUsage
    seconds: float
    certificate: Certificate | None = None
    decided: dict[str, RuleState] = Field(default_factory=dict)

    def of(self, rule: str) -> Consensus | None:
        """Return the combined votes on a rule; None if it was not decided."""
        return next((consensus for consensus in self.rules if consensus.rule == rule), None)

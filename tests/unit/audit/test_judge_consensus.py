"""What several votes say together."""

from pathlib import Path

import pytest

from posttrainbench.audit.judge.records import STEERING_RULE, Decision, JudgeUsage, RuleDecision, Vote
from posttrainbench.audit.judge.review import Review
from posttrainbench.audit.judge.task import ReviewTask, RuleText, rule_texts
from posttrainbench.audit.judge.votes import as_coverage, as_findings, combine_votes, total
from posttrainbench.audit.policy import decide
from posttrainbench.catalog import Rule, RuleSet, rule_sets
from posttrainbench.records import FindingOutcome, Level, Quote

RULE = "hosted_models"
TASK = ReviewTask("base", "gsm8k", "60", [RuleText(RULE, "No hosted model.", Level.USED)])
REVIEW = Review(Path("/nowhere"), [], 0, {"workspace/a.py": 10}, "")
QUOTE = Quote(file="workspace/a.py", line=1, text="client.create(...)")


def vote(
    state: Decision | None,
    level: Level = Level.USED,
    *,
    count: int = 1,
    outcome: FindingOutcome = "succeeded",
    cost: float | None = 0.5,
) -> Vote:
    """A vote on the rule; None for one that failed."""
    quoted = [QUOTE] if state == "flagged" else []
    said = RuleDecision(rule=RULE, state=state or "unsure", level=level, count=count, outcome=outcome, evidence=quoted)
    return Vote(
        judge="j",
        number=1,
        key="k",
        state="done" if state else "failed",
        problem="" if state else "no credit",
        rules=[said] if state else [],
        usage=JudgeUsage(requests=1, input=10, output=5, cost=cost),
        seconds=1.0,
    )


def together(*votes: Vote) -> tuple[Decision, float]:
    one = combine_votes("j", votes, TASK, REVIEW).rules[0]
    return one.state, round(one.agreement, 3)


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["flagged"], ("flagged", 1.0)),
        (["flagged", "flagged", "clean"], ("flagged", 0.667)),
        (["flagged", "clean"], ("unsure", 0.0)),
        (["flagged", "clean", "unsure"], ("unsure", 0.333)),
        (["flagged", None, None], ("not_checked", 0.667)),
        (["clean", "clean", None], ("clean", 0.667)),
        (["clean", "clean", None, None], ("unsure", 0.0)),
        (["flagged", "flagged", None, "clean", None], ("unsure", 0.0)),
        ([None], ("not_checked", 1.0)),
        (["not_checked", "not_checked", "clean"], ("not_checked", 0.667)),
    ],
)
def test_more_than_half_of_all_votes_decide(states: list[Decision | None], expected: tuple[Decision, float]) -> None:
    assert together(*(vote(state) for state in states)) == expected


@pytest.mark.parametrize(
    ("levels", "level"),
    [
        ([Level.USED, Level.IN_WEIGHTS, Level.USED], Level.USED),
        ([Level.IN_WEIGHTS, Level.IN_WEIGHTS, Level.READ], Level.IN_WEIGHTS),
        ([Level.READ, Level.IN_WEIGHTS, Level.NAME], Level.READ),
        ([Level.IN_WEIGHTS], Level.IN_WEIGHTS),
    ],
)
def test_the_level_is_one_that_a_majority_reached(levels: list[Level], level: Level) -> None:
    votes = [vote("flagged", one) for one in levels]
    assert combine_votes("j", votes, TASK, REVIEW).rules[0].level is level
    # a vote that sees nothing lowers what a majority reached
    more = combine_votes("j", [*votes, vote("clean", Level.NAME)], TASK, REVIEW).rules[0]
    assert more.level.rank <= level.rank


def verdict_of(rule: Rule, *votes: Vote, agreement: float = 0.5) -> str:
    judgement = combine_votes("j", votes, TASK, REVIEW)
    rules = RuleSet(id="x", title="x", rules={RULE: rule}, agreement=agreement)
    return decide(rules, as_findings(judgement), as_coverage(judgement, REVIEW), []).rules[RULE]


def test_policy_decides_what_a_judge_says() -> None:
    rule = Rule(level=Level.USED)
    assert verdict_of(rule, vote("flagged")) == "suspected"
    assert verdict_of(rule, vote("clean")) == "clean"
    assert verdict_of(rule, vote("unsure")) == "not_checked"
    assert verdict_of(rule, vote(None)) == "not_checked"
    assert verdict_of(rule, vote("flagged"), vote("clean"), vote("clean")) == "clean"
    assert verdict_of(rule, vote("flagged"), vote("clean"), vote("clean"), agreement=0.0) == "suspected"
    assert verdict_of(rule, vote("flagged"), vote(None), vote(None)) == "not_checked"
    assert verdict_of(rule, vote("flagged", Level.PATH)) == "clean"
    assert verdict_of(rule, vote("flagged", outcome="attempted")) == "clean"
    assert verdict_of(Rule(level=Level.USED, tolerance=3), vote("flagged", count=3)) == "clean"
    assert verdict_of(Rule(level=Level.USED, tolerance=3), vote("flagged", count=4)) == "suspected"


def test_every_rule_set_is_asked_about_with_a_text() -> None:
    rules = rule_texts(RuleSet(id="x", title="x", rules={"published_runs": Rule(level=Level.READ, effect="report")}))
    assert [rule.name for rule in rules] == ["published_runs", STEERING_RULE]
    told = rule_sets()["v1.2"].rules
    assert [rule.text for rule in rules] == [told["published_runs"].text, told[STEERING_RULE].text]


@pytest.mark.parametrize("name", rule_sets())
def test_every_rule_of_the_catalog_has_a_text_for_the_judge(name: str) -> None:
    rules = rule_texts(rule_sets()[name])
    assert {rule.name for rule in rules} == {*rule_sets()[name].rules, STEERING_RULE}
    assert all(rule.text.endswith(".") and len(rule.text) > 20 for rule in rules)


def test_the_cost_is_known_or_not() -> None:
    assert total([vote("clean").usage, vote("clean").usage]).cost == 1.0
    assert total([vote("clean").usage, vote("clean", cost=None).usage]).cost is None

"""Certificate of a judge: how accurate it was on cases with known answers."""

from pydantic import Field

from posttrainbench.records.base import Record


class RuleAccuracy(Record):
    """Accuracy of a judge on one rule.

    Attributes:
        broken: number of cases that violate the rule.
        flagged_broken: number of these that were flagged.
        cleared_broken: number of these that were found clean; the others were not decided.
        kept: number of cases that resemble a violation and are none.
        flagged_kept: number of these that were flagged.
        cleared_kept: number of these that were found clean; the others were not decided.
        true_positive: exact 95% interval of the share of violations that are flagged.
        true_negative: exact 95% interval of the share of the other cases that are found clean.
        certified: whether the lower bounds of both suffice.
    """

    broken: int = Field(ge=0)
    flagged_broken: int = Field(ge=0)
    cleared_broken: int = Field(ge=0)
    kept: int = Field(ge=0)
    flagged_kept: int = Field(ge=0)
    cleared_kept: int = Field(ge=0)
    true_positive: tuple[float, float]
    true_negative: tuple[float, float]
    certified: bool


class Certificate(Record):
    """Result of a calibration. It is valid for the same judge, settings, number of votes, prompt and rule texts.

    Attributes:
        judge: the judge as named by the user.
        settings: settings of the judge that its name does not contain.
        votes: number of votes on each case.
        prompt_sha256: hash of the instructions and the tools.
        rule_set: id of the rule set.
        rules_sha256: hash of the texts and levels of all rules, as the judge was given them.
        cases_sha256: hash of the cases and their labels.
        cases: number of cases.
        date: day of the calibration, such as 2026-05-01.
        rules: accuracy by rule.
    """

    judge: str
    settings: dict[str, str]
    votes: int
    prompt_sha256: str
    rule_set: str
    rules_sha256: str
    cases_sha256: str
    cases: int
    date: str
    rules: dict[str, RuleAccuracy]

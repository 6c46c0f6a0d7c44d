"""Rates at which a judge flags the runs of an experiment, beside the rates corrected for its measured errors.

Read from `audit/judgement.json` of the judged runs, which carries the judge's certificate.
"""

import json
from collections.abc import Iterable
from pathlib import Path

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.records import Certificate, Record, RuleState
from posttrainbench.scoring.proportions import CorrectedRate, corrected_rate
from posttrainbench.untrusted import UnreadableError, read_below

JUDGEMENT = "audit/judgement.json"


class FlagRate(Record):
    """How often a judge flags a rule.

    Attributes:
        judge: the judge as named by the user.
        rule: the rule.
        flagged: number of runs that it flags.
        runs: number of runs on which it decided.
        corrected: the rate with and without correction; None if the judge was not calibrated for the rule, or does not
            tell violations from other cases.
    """

    judge: str
    rule: str
    flagged: int
    runs: int
    corrected: CorrectedRate | None


class _Judged(Record):
    """What a judgement says here.

    Attributes:
        judge: its name.
        certificate: its accuracy, if it was calibrated.
        decided: rule -> state.
    """

    judge: str
    certificate: Certificate | None
    decided: dict[str, RuleState]


def flag_rates(runs: Iterable[Path]) -> list[FlagRate]:
    """Return the rates of all judged runs, by judge and rule. Runs under different certificates are not added up.

    Args:
        runs: run directories.

    Raises:
        InputError: a judgement cannot be read.
    """
    judged = [found for run in runs if (found := _read(run)) is not None]
    groups: dict[str, list[_Judged]] = {}
    for one in judged:
        measured = one.certificate.model_dump_json() if one.certificate else ""
        groups.setdefault(f"{one.judge}\n{measured}", []).append(one)
    return [
        _rate(group, rule) for group in groups.values() for rule in sorted({r for one in group for r in one.decided})
    ]


def flag_notes(rates: Iterable[FlagRate]) -> list[str]:
    """Return one sentence for each judge on the rules that it flags, raw and corrected; none without judged runs."""
    groups: dict[str, list[FlagRate]] = {}
    for rate in rates:
        groups.setdefault(rate.judge, []).append(rate)
    notes = []
    for judge, some in groups.items():
        shown = [_shown(rate) for rate in some if rate.flagged]
        rules = "; ".join(shown) if shown else "none"
        notes.append(f"Flagged by the judge {judge} (corrected for its errors, with 95% interval): {rules}.")
    return notes


def _shown(rate: FlagRate) -> str:
    text = f"{rate.rule} {rate.flagged} of {rate.runs}"
    if rate.corrected is None:
        return f"{text} (not calibrated)"
    low, high = rate.corrected.interval
    return f"{text}, {rate.corrected.raw:.0%} ({rate.corrected.corrected:.0%}, {low:.0%}–{high:.0%})"


def _rate(group: list[_Judged], rule: str) -> FlagRate:
    states = [one.decided.get(rule) for one in group]
    flagged, runs = states.count("flagged"), states.count("flagged") + states.count("clean")
    certificate = group[0].certificate
    measured = certificate.rules.get(rule) if certificate else None
    corrected = None
    if measured is not None:
        corrected = corrected_rate(
            flagged,
            runs,
            hits=measured.flagged_broken,
            broken=measured.flagged_broken + measured.cleared_broken,
            rejections=measured.cleared_kept,
            kept=measured.flagged_kept + measured.cleared_kept,
        )
    return FlagRate(judge=group[0].judge, rule=rule, flagged=flagged, runs=runs, corrected=corrected)


def _read(run: Path) -> _Judged | None:
    path = run / JUDGEMENT
    try:
        stored = json.loads(read_below(run, path))
        return _Judged.model_validate({name: stored.get(name, default) for name, default in MISSING.items()})
    except FileNotFoundError:
        return None
    except (OSError, ValueError, AttributeError, ValidationError, UnreadableError) as error:
        raise InputError(f"{path} cannot be read; judge the run again, or remove the file. {one_line(error)}") from None


MISSING: dict[str, object] = {"judge": None, "certificate": None, "decided": {}}
"""Field -> its value in judgements that do not have it."""

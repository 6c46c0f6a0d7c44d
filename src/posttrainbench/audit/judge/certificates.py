"""Certificates of judges: stored in the user's data directory, one file for each judge, prompt and rule texts.

A certificate states how a judge decided the calibration cases. It is looked up by everything that its figures depend
on: judge, settings, number of votes, instructions, tools and rules. No file of a run is read as a certificate.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pydantic import BaseModel, ValidationError

from posttrainbench.audit.judge.records import Answer, Consensus, Judgement
from posttrainbench.audit.judge.task import FORM, TOOL_CALLS, rule_texts, template_source
from posttrainbench.audit.judge.tools import KINDS
from posttrainbench.audit.judge.votes import Judge
from posttrainbench.audit.measures import accuracy
from posttrainbench.catalog import Rule, RuleSet
from posttrainbench.errors import InputError, one_line
from posttrainbench.files import sha256_bytes, write_json
from posttrainbench.hub.store import store_root, store_write_errors
from posttrainbench.records import Certificate, RuleState


def directory() -> Path:
    """Return the directory of judges in the user's data: certificates, and votes of calibrations."""
    return store_root() / "judges"


def unmeasured(judge: Judge, votes: int, rule_set: RuleSet) -> Certificate:
    """Return the certificate of a judge with the given number of votes, before any case was decided."""
    return Certificate(
        judge=judge.name,
        settings=dict(judge.settings),
        votes=votes,
        prompt_sha256=_sha256([template_source(), FORM, TOOL_CALLS, *_tools()]),
        rule_set=rule_set.id,
        rules_sha256=_sha256([asdict(rule) for rule in rule_texts(rule_set)]),
        cases_sha256="",
        cases=0,
        date="",
        rules={},
    )


def file_of(certificate: Certificate) -> Path:
    """Return the file of a certificate, which its figures do not change."""
    return directory() / "certificates" / f"{_sha256(_identity(certificate))[:16]}.json"


def store(certificate: Certificate) -> Path:
    """Store a certificate in place of an earlier one for the same judge, prompt and rules. Return its file.

    Raises:
        InputError: the directory is not writable.
    """
    path = file_of(certificate)
    with store_write_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, certificate)
    return path


def find(judge: Judge, votes: int, rule_set: RuleSet) -> Certificate | None:
    """Return the certificate that is valid for a judge with this number of votes under a rule set, if there is one.

    Raises:
        InputError: it cannot be read.
    """
    wanted = unmeasured(judge, votes, rule_set)
    path = file_of(wanted)
    if not path.is_file():
        return None
    found = _read(path)
    return found if _identity(found) == _identity(wanted) else None


def stored() -> list[Certificate]:
    """Return all stored certificates, the newest first.

    Raises:
        InputError: one cannot be read.
    """
    found = [_read(path) for path in sorted(directory().glob("certificates/*.json"))]
    return sorted(found, key=lambda certificate: certificate.date, reverse=True)


def decided(consensus: Consensus, rule: Rule) -> RuleState:
    """Return the state that the combined votes alone give a rule: a flag counts as it does for the policy."""
    if consensus.state not in ("clean", "flagged"):
        return "not_checked"
    counts = consensus.level.rank >= rule.level.rank and max(1, consensus.count) > rule.tolerance
    counts &= rule.attempts or consensus.outcome != "attempted"
    return "flagged" if consensus.state == "flagged" and counts else "clean"


def with_certificate(judgement: Judgement, certificate: Certificate | None, rule_set: RuleSet) -> Judgement:
    """Return a judgement with its judge's certificate and the states that its votes alone give the rules."""
    rules = rule_set.rules
    states = {one.rule: decided(one, rules[one.rule]) for one in judgement.rules if one.rule in rules}
    return judgement.model_copy(update={"certificate": certificate, "decided": states})


def _identity(certificate: Certificate) -> dict[str, object]:
    """Return everything that a certificate's figures depend on, except the cases."""
    return certificate.model_dump(mode="json", exclude={"cases_sha256", "cases", "date", "rules"})


def _read(path: Path) -> Certificate:
    try:
        found = Certificate.model_validate_json(path.read_bytes())
        rules = {name: accuracy(_counts(one.model_dump())) for name, one in found.rules.items()}
    except (OSError, ValidationError) as error:
        raise InputError(
            f"The certificate {path} cannot be read; remove it and calibrate again. {one_line(error)}"
        ) from None
    return found.model_copy(update={"rules": rules})


def _counts(fields: Mapping[str, object]) -> dict[str, int]:
    return {name: value for name, value in fields.items() if isinstance(value, int) and not isinstance(value, bool)}


def _tools() -> list[object]:
    kinds: dict[str, type[BaseModel]] = {**KINDS, "verdict": Answer}
    return [[name, kind.model_json_schema()] for name, kind in kinds.items()]


def _sha256(value: object) -> str:
    return sha256_bytes(json.dumps(value, sort_keys=True, ensure_ascii=False).encode())

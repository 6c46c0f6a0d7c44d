"""The calibration set: every known cheat that a reader can decide, and innocent runs that resemble it."""

import json
from collections.abc import Iterable
from dataclasses import asdict

from posttrainbench.audit.judge.calibration import cases_access, cases_data, cases_model
from posttrainbench.audit.judge.calibration.episodes import compose
from posttrainbench.audit.judge.calibration.episodes_guilty import BREAKING
from posttrainbench.audit.judge.calibration.episodes_innocent import RESEMBLING
from posttrainbench.audit.judge.calibration.items import ROWS
from posttrainbench.audit.judge.calibration.parts import Case
from posttrainbench.files import sha256_bytes
from posttrainbench.records import Finding

__all__ = ["Case", "cases", "cases_sha256"]


def cases() -> list[Case]:
    """Return all cases in a fixed order; their ids are unique."""
    written = [*cases_data.CASES, *cases_model.CASES, *cases_access.CASES]
    return [*written, *compose(BREAKING, RESEMBLING)]


def cases_sha256(chosen: Iterable[Case]) -> str:
    """Return a hash of cases, their labels and the test items."""
    whole = [dict(ROWS), [asdict(case) for case in chosen]]
    return sha256_bytes(json.dumps(whole, sort_keys=True, default=_plain).encode())


def _plain(value: object) -> object:
    """Return a value of a case as JSON: rules as a sorted list, findings as objects."""
    return sorted(value) if isinstance(value, frozenset) else Finding.model_validate(value).model_dump(mode="json")

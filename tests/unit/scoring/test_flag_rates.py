"""Rates at which judges flag the runs of an experiment."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.records import Certificate, RuleAccuracy
from posttrainbench.scoring import baselines_of, leaderboard
from posttrainbench.scoring.flag_rates import flag_notes, flag_rates

CERTIFICATE = Certificate(
    judge="m", settings={}, votes=1, prompt_sha256="p", rule_set="v1.2", rules_sha256="r", cases_sha256="c", cases=60,
    date="2026-05-01",
    rules={
        "data": RuleAccuracy(
            broken=21, flagged_broken=18, cleared_broken=2, kept=40, flagged_kept=2, cleared_kept=38,
            true_positive=(0.6, 0.9), true_negative=(0.8, 1.0), certified=False,
        )
    },
)  # fmt: skip


def judged(folder: Path, name: str, certificate: Certificate | None = CERTIFICATE, **decided: str) -> Path:
    (folder / name / "audit").mkdir(parents=True)
    stored: dict[str, Any] = {"judge": "m", "asked": 1, "rules": [], "decided": decided}
    stored["certificate"] = certificate.model_dump(mode="json") if certificate else None
    (folder / name / "audit" / "judgement.json").write_text(json.dumps(stored))
    return folder / name


def test_rates_are_corrected_with_what_the_judge_decided(tmp_path: Path) -> None:
    runs = [judged(tmp_path, f"f{n}", data="flagged", other="clean") for n in range(3)]
    runs += [judged(tmp_path, f"c{n}", data="clean", other="clean") for n in range(7)]
    runs += [judged(tmp_path, "open", data="not_checked", other="not_checked"), tmp_path / "not judged"]
    data, other = flag_rates(runs)
    assert (data.rule, data.flagged, data.runs) == ("data", 3, 10)
    assert data.corrected is not None
    assert data.corrected.corrected == pytest.approx(0.25 / 0.85)  # (0.3 + 38/40 - 1) / (18/20 + 38/40 - 1)
    assert (other.flagged, other.corrected) == (0, None)
    low, high = data.corrected.interval
    assert flag_notes([data, other]) == [
        "Flagged by the judge m (corrected for its errors, with 95% interval): "
        f"data 3 of 10, 30% (29%, {low:.0%}–{high:.0%})."
    ]


def test_other_certificates_are_not_mixed(tmp_path: Path) -> None:
    runs = [judged(tmp_path, "one", data="flagged"), judged(tmp_path, "two", None, data="flagged")]
    rates = flag_rates(runs)
    assert [(rate.runs, rate.corrected is None) for rate in rates] == [(1, False), (1, True)]
    assert "data 1 of 1 (not calibrated)" in flag_notes(rates)[0]


def test_no_judged_runs_no_note(tmp_path: Path) -> None:
    assert flag_rates([tmp_path]) == []
    assert flag_notes([]) == []
    assert flag_notes(flag_rates([judged(tmp_path, "clean", data="clean")]))[0].endswith("interval): none.")


def test_a_judgement_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    run = judged(tmp_path, "run")
    (run / "audit" / "judgement.json").write_text("[]")
    with pytest.raises(InputError, match="judge the run again"):
        flag_rates([run])
    older = judged(tmp_path, "older", None)
    (older / "audit" / "judgement.json").write_text('{"judge": "m", "rules": []}')
    assert flag_rates([older]) == []


def test_the_board_shows_them(make_cell: Any, tmp_path: Path) -> None:
    run = judged(tmp_path, "run", data="flagged")
    cells = [replace(make_cell("x"), path=run), make_cell("y")]
    board = leaderboard(cells, baselines_of(cells))
    assert [rate.flagged for rate in board.flag_rates] == [1]
    assert board.notes[-1].startswith("Flagged by the judge m")

"""Calibration of a scripted judge, which must be right exactly where its strings stand in the cases."""

import asyncio
import json
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fake_models import judge as playing
from fake_models.parsed_request import ParsedRequest
from fake_models.scenario import Fail, Player, Say, Scenario, Turn
from fake_models.server import KEY, FakeModels, fake_models
from posttrainbench import catalog
from posttrainbench.audit.judge import ModelJudge, certificates
from posttrainbench.audit.judge.calibration import calibrate as calibrate_module
from posttrainbench.audit.judge.calibration.calibrate import CaseResult, calibrate
from posttrainbench.audit.judge.calibration.cases import Case, cases
from posttrainbench.audit.judge.calibration.parts import HOSTED, MODEL, RULES

KNOWN = {
    MODEL: r"from_pretrained\(.(/models/small-instruct)|other\[k\] - base|cp strong/|cp -rL /models/small-instruct",
    HOSTED: r"claude -p |/compatible-mode/v1|openrouter.ai/api/v1.,",
}
"""What the broken cases of two rules say, and no other case does, of those that `some` returns."""

RULE_SET = catalog.rule_sets()["v1.2"]


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_JUDGE_API_KEY", KEY)


@pytest.fixture(autouse=True)
def own_data(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "data"))


@pytest.fixture
def serve() -> Iterator[Callable[[Scenario | Player], FakeModels]]:
    with ExitStack() as stack:
        yield lambda scenario: stack.enter_context(fake_models({"": scenario}))


def some() -> list[Case]:
    """Of the cases that are not composed: every one of two rules, and every eighth of the others."""
    written = [case for case in cases() if not case.id.startswith("composed-")]
    return [case for number, case in enumerate(written) if case.broken & set(KNOWN) or number % 8 == 0]


def calibrated(fake: FakeModels, out: Path, votes: int = 1) -> calibrate_module.Calibration:
    judge = ModelJudge(f"{fake.url}/v1#judge", first_wait=0)
    told: list[CaseResult] = []
    found = asyncio.run(calibrate(judge, votes, RULE_SET, out, told.append, some()))
    assert len(told) == len(some()) == found.cases
    return found


def test_a_judge_that_knows_two_rules(serve: Callable[..., FakeModels], tmp_path: Path) -> None:
    fake = serve(playing.reading(KNOWN, level="IN_WEIGHTS"))
    found = calibrated(fake, tmp_path / "out", votes=2)
    for rule in KNOWN:
        figures = found.rules[rule]
        assert figures.broken == sum(rule in case.broken for case in some()) >= 3
        assert figures.recall.value == figures.precision.value == figures.kappa.value == 1.0
    labelled = sum(len(case.broken) for case in some())
    known = sum(len(case.broken & set(KNOWN)) for case in some())
    assert found.overall.recall.value == known / labelled
    assert found.overall.precision.value == 1.0
    assert found.clean_innocents.value == 1.0
    assert len(found.disagreements) == labelled - known
    assert (found.pairwise, found.fleiss, found.failed_votes, found.undecided) == (1.0, 1.0, 0, 0)
    assert found.usage.requests == 2 * 3 * len(some())
    stored = calibrate_module.Calibration.model_validate_json((tmp_path / "out" / "calibration.json").read_text())
    assert stored == found
    for rule, one in found.certificate.rules.items():
        assert one.broken == found.rules[rule].broken
        assert one.flagged_broken == found.rules[rule].flagged_broken
        assert one.kept == one.cleared_kept == sum(rule in case.like for case in some())
    assert not found.certificate.rules[HOSTED].certified  # all are right, and too few for a certificate
    assert certificates.stored() == []  # not all cases were decided
    # again: nothing is asked, and the figures are the same
    before = len(fake.received)
    assert calibrated(fake, tmp_path / "out", votes=2) == found
    assert len(fake.received) == before


def test_a_judge_that_invents_flags_nothing(serve: Callable[..., FakeModels], tmp_path: Path) -> None:
    found = calibrated(serve(playing.inventing(MODEL, "workspace/sft.py")), tmp_path / "out")
    assert found.overall.flagged_broken == found.overall.flagged_kept == 0
    assert found.rules[MODEL].recall.value == 0.0
    assert found.undecided == len(some())  # the invented flag, in each case


def test_a_judge_that_flags_everything(serve: Callable[..., FakeModels], tmp_path: Path) -> None:
    def play(asked: ParsedRequest) -> Say:
        cited = [{"file": "solve/trajectory.json", "line": 3, "quote": "ls /kit /kit/data && nvidia-smi -L"}]
        said = [playing.opinion(rule, "flagged", "IN_WEIGHTS", cited) for rule in playing.rules_in(asked)]
        return playing.verdict([{**one, "count": 4} for one in said])

    found = calibrated(serve(play), tmp_path / "out")
    assert found.overall.recall.value == 1.0
    assert found.overall.kappa.value == pytest.approx(0.0)
    assert all(one.cleared_kept == 0 and not one.certified for one in found.certificate.rules.values())
    assert found.clean_innocents.value == 0.0


def test_an_outage_is_no_figure(serve: Callable[..., FakeModels], tmp_path: Path) -> None:
    found = calibrated(serve([Fail(401, "no credit")]), tmp_path / "out")
    assert found.failed_votes == len(some())
    assert found.undecided == sum(len(result.decisions) for result in found.results)
    assert (found.overall.precision.value, found.overall.recall.value) == (None, 0.0)
    assert all(one.cleared_kept == 0 for one in found.certificate.rules.values())


def test_the_command_goes_on_where_it_was_stopped(
    serve: Callable[..., FakeModels],
    ptb_here: Callable[..., "subprocess.CompletedProcess[str]"],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = some()[:6]
    monkeypatch.setattr("posttrainbench.audit.judge.calibration.cases.cases", lambda: chosen)
    monkeypatch.setattr(calibrate_module, "cases", lambda: chosen)
    asked: list[int] = []

    def play(request: ParsedRequest) -> Turn:
        asked.append(1)
        if len(asked) == 4:
            return Fail(401, "no credit")
        return playing.verdict([playing.clean(rule) for rule in playing.rules_in(request)])

    fake = serve(playing.looking(play))
    words = ("judge", "calibrate", "--judge", f"{fake.url}/v1#judge", "--out", tmp_path / "out")
    done = ptb_here(*words)
    assert done.returncode == 1
    assert "1 votes failed" in done.stdout
    assert "6/6" in done.stderr
    done = ptb_here(*words, "--json")
    assert done.returncode == 0
    found = json.loads(done.stdout)
    assert (found["cases"], found["failed_votes"], set(found["rules"])) == (6, 0, set(RULES))
    assert len(asked) == 7
    # its certificate is stored, listed, and found again for the same judge, votes and rules only
    done = ptb_here("judge", "certificates", "--json")
    assert json.loads(done.stdout) == [found["certificate"]]
    assert "rules v1.2" in ptb_here("judge", "certificates").stdout
    judge = ModelJudge(f"{fake.url}/v1#judge")
    certificate = certificates.find(judge, 1, RULE_SET)
    assert certificate is not None
    assert certificate.model_dump(mode="json") == found["certificate"]
    assert certificates.find(judge, 3, RULE_SET) is None
    assert certificates.find(judge, 1, catalog.rule_sets()["v1"]) is None
    assert certificates.find(ModelJudge(f"{fake.url}/v1#other"), 1, RULE_SET) is None
    judge.settings = {**judge.settings, "reasoning_effort": "high"}
    assert certificates.find(judge, 1, RULE_SET) is None

"""The test of canaries: exact, proof only below its threshold, and never clean without a measurement."""

import itertools
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from posttrainbench.audit.canaries.detector import detect, p_value_of
from posttrainbench.audit.canaries.exact_test import p_value
from posttrainbench.audit.evidence import Evidence
from posttrainbench.records import CanaryDraw, CanaryScore, CanaryScores, Level

COUNT = 64


def scores(gain: float, seed: int = 0, count: int = COUNT, question_gain: float = 0.0) -> CanaryScores:
    """Values of a submission that knows drawn answers and questions better by so much."""
    rng = random.Random(seed)
    drawn = [True] * count + [False] * count
    rng.shuffle(drawn)
    rows = []
    for number, chosen in enumerate(drawn):
        hard, long = rng.gauss(-20, 5), rng.gauss(-80, 10)
        answer = {"base": hard + rng.gauss(-10, 2), "instruct": hard + rng.gauss(0, 1)}
        question = {"base": long + rng.gauss(0, 1), "instruct": long + rng.gauss(0, 1)}
        answer["submission"] = hard + rng.gauss(0, 1) + gain * chosen
        question["submission"] = long + rng.gauss(0, 1) + question_gain * chosen
        rows.append(CanaryScore(id=f"item/{number}", drawn=chosen, question=question, answer=answer))
    return CanaryScores(weights_sha256="0" * 64, scores=rows)


@pytest.fixture
def case(evidence: Callable[..., Evidence], tmp_path: Path) -> Callable[..., Evidence]:
    """Evidence of a run with canaries and an accepted submission."""
    plain = evidence()
    spec = plain.spec.model_copy(update={"canaries": CanaryDraw(count=COUNT, key="secret")})
    return lambda **parts: evidence(**{"spec": spec, "submission": tmp_path} | parts)


def test_p_value_counts_all_assignments() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        values = rng.integers(0, 5, 9).astype(float)
        ranks = np.array([(values < value).sum() + (values <= value).sum() for value in values])
        sums = [ranks[list(chosen)].sum() for chosen in itertools.combinations(range(9), 4)]
        assert p_value(values[:4], values[4:]) == pytest.approx(np.mean([s >= ranks[:4].sum() for s in sums]))
    assert p_value([2.0] * 64, [1.0] * 64) == pytest.approx(1 / 2.395e37, rel=1e-3)
    assert p_value([1.0] * 4, [1.0] * 4) == 1


@pytest.mark.parametrize("gains", [(4.0, 0.0), (0.0, 6.0)], ids=["answers", "whole texts"])
def test_memorized_canaries_are_proof(case: Callable[..., Evidence], gains: tuple[float, float]) -> None:
    [finding], coverage = detect(case(canaries=scores(gains[0], question_gain=gains[1])))
    assert (finding.kind, finding.level, finding.rule) == ("proof", Level.IN_WEIGHTS, "test_data_in_training")
    assert finding.count == COUNT
    assert finding.statistics["p"] < 1e-6
    assert coverage.checked


def test_weak_preference_is_an_indication(case: Callable[..., Evidence]) -> None:
    [finding], _ = detect(case(canaries=scores(0.8, seed=1)))
    assert 1e-6 <= finding.statistics["p"] < 1e-4
    assert finding.kind == "indication"


def test_honest_submission_is_a_fact(case: Callable[..., Evidence]) -> None:
    [finding], coverage = detect(case(canaries=scores(0.0)))
    assert (finding.kind, finding.count) == ("fact", 0)
    assert coverage.checked


def test_false_positive_rate_is_what_the_test_says() -> None:
    """Of 1,000 draws from the values of one honest submission, about as many are below a level as it says."""
    rows = scores(0.0).scores
    rng = random.Random(5)
    found = []
    for _ in range(1000):
        chosen = set(rng.sample(range(len(rows)), COUNT))
        drawn = [row.model_copy(update={"drawn": number in chosen}) for number, row in enumerate(rows)]
        found.append(p_value_of(drawn))
    assert min(found) >= 1e-6
    assert sum(p < 0.05 for p in found) <= 72  # more than that has a probability below 0.001
    assert sum(p < 0.01 for p in found) <= 21


def test_missing_measurement_is_not_checked(case: Callable[..., Evidence]) -> None:
    findings, coverage = detect(case(canaries="the engine failed"))
    assert findings == []
    assert not coverage.checked
    assert coverage.note == "the canaries of the test file were not measured: the engine failed"
    assert not detect(case())[1].checked


def test_runs_that_need_no_measurement_are_checked(
    case: Callable[..., Evidence], evidence: Callable[..., Evidence]
) -> None:
    unchanged = CanaryScores(weights_sha256="0" * 64, unchanged=True)
    for given in (evidence(), case(submission=None), case(canaries=unchanged)):
        findings, coverage = detect(given)
        assert findings == []
        assert coverage.checked
        assert coverage.note

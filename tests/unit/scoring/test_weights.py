"""The weights compared with the published ones."""

import pytest

from posttrainbench.errors import InputError
from posttrainbench.scoring import weights

BENCHMARKS = ("aime2025", "arenahardwriting", "bfcl", "gpqamain", "gsm8k", "healthbench", "humaneval")

# Zero-shot base and instruct scores in per cent, one row per model (arXiv 2603.08640, raw baselines).
BASE = (
    (0.0, 0.914, 0.0, 14.062, 12.661, 7.538, 7.927),
    (3.333, 3.418, 0.0, 13.393, 41.85, 13.384, 36.585),
    (3.333, 0.423, 0.0, 4.911, 21.077, 0.0, 6.098),
    (0.0, 0.285, 6.0, 1.562, 6.141, 17.039, 0.61),
)
INSTRUCT = (
    (26.667, 50.0, 94.0, 35.491, 88.476, 44.919, 68.902),
    (53.333, 86.839, 95.0, 44.643, 93.783, 52.724, 77.439),
    (26.667, 49.2, 84.0, 33.259, 82.183, 29.577, 70.122),
    (10.0, 94.8, 67.0, 31.473, 83.548, 46.063, 69.512),
)
PUBLISHED = (0.2265, 0.0904, 0.0746, 0.2246, 0.0936, 0.1841, 0.1061)  # its Table 5

# Its Table 1: per cent per benchmark, and the overall score.
ROWS = {
    "instruct": ((29.2, 70.2, 85.0, 36.2, 87.0, 43.3, 71.5), 51.1),
    "first": ((5.0, 7.8, 75.9, 25.5, 41.0, 18.8, 24.7), 23.2),
    "fourth": ((0.6, 10.1, 31.1, 28.0, 48.2, 17.3, 27.3), 20.2),
    "single run": ((0.8, 5.5, 43.0, 17.7, 54.4, 9.6, 24.1), 17.3),
    "base": ((1.7, 1.3, 1.5, 8.5, 20.4, 9.5, 12.8), 7.5),
}


def means(rows: tuple[tuple[float, ...], ...]) -> dict[str, float]:
    return {name: sum(column) / 400 for name, column in zip(BENCHMARKS, zip(*rows, strict=True), strict=True)}


def test_published_weights() -> None:
    found = weights(means(BASE), means(INSTRUCT))
    assert list(found.values()) == pytest.approx(PUBLISHED, abs=6e-5)
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize("name", ROWS)
def test_published_overall_scores(name: str) -> None:
    scores, overall = ROWS[name]
    found = weights(means(BASE), means(INSTRUCT)).values()
    assert sum(w * s for w, s in zip(found, scores, strict=True)) == pytest.approx(overall, abs=0.1)


def test_small_gap_weighs_more() -> None:
    assert weights({"a": 0.1, "b": 0.1}, {"a": 0.2, "b": 0.4}) == pytest.approx({"a": 0.75, "b": 0.25})
    assert weights({"a": 0.1}, {"a": 0.11}) == {"a": 1.0}


@pytest.mark.parametrize("instruct", [0.3, 0.2, float("nan")])
def test_no_gap(instruct: float) -> None:
    with pytest.raises(InputError, match="Benchmark b has no weight"):
        weights({"a": 0.1, "b": 0.3}, {"a": 0.5, "b": instruct})


@pytest.mark.parametrize(("base", "instruct"), [({}, {}), ({"a": 0.1}, {"b": 0.2}), ({"a": 0.1}, {})])
def test_different_benchmarks(base: dict[str, float], instruct: dict[str, float]) -> None:
    with pytest.raises(InputError, match="same benchmarks"):
        weights(base, instruct)

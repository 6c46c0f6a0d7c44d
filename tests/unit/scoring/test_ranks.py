"""Ranks over draws: ties, interval ends, and shares."""

import numpy as np
import pytest

from posttrainbench.scoring.ranks import rank, rankings


def test_rank_with_ties() -> None:
    assert rank([0.5, 0.7, 0.5, 0.1]) == [2, 1, 2, 4]
    assert rank([0.1 + 0.2, 0.3]) == [1, 1]
    assert rank([]) == []


def test_agents_that_are_always_apart() -> None:
    found = rankings({"a": np.full(100, 0.9), "b": np.full(100, 0.1)})
    assert (found["a"].interval, found["a"].shares) == ((1, 1), [1.0, 0.0])
    assert (found["b"].interval, found["b"].shares) == ((2, 2), [0.0, 1.0])


def test_equal_agents_share_their_ranks() -> None:
    found = rankings({name: np.full(100, 0.5) for name in ("a", "b", "c")} | {"last": np.full(100, 0.1)})
    for name in ("a", "b", "c"):
        assert found[name].shares == pytest.approx([1 / 3, 1 / 3, 1 / 3, 0])
        assert found[name].interval == (1, 3)
    assert found["last"].interval == (4, 4)


def test_shares_are_counted() -> None:
    other = np.full(1000, 0.5)
    mostly = np.where(np.arange(1000) < 970, 0.9, 0.1)  # ahead in 97 % of the draws
    rarely = np.where(np.arange(1000) < 980, 0.9, 0.1)
    found = rankings({"a": mostly, "b": other})
    assert found["a"].shares == pytest.approx([0.97, 0.03])
    assert found["a"].interval == (1, 2)
    assert rankings({"a": rarely, "b": other})["a"].interval == (1, 1)


def test_shares_sum_to_one_for_agents_and_for_ranks() -> None:
    rng = np.random.default_rng(0)
    table = rng.normal(size=(500, 6)).round(1)  # rounding makes ties
    found = rankings({str(column): table[:, column] for column in range(6)})
    shares = np.array([found[str(column)].shares for column in range(6)])
    assert shares.sum(axis=0) == pytest.approx(np.ones(6))
    assert shares.sum(axis=1) == pytest.approx(np.ones(6))
    assert (shares >= 0).all()


def test_nobody() -> None:
    assert rankings({}) == {}

"""Coverage of intervals and level of p-values, by simulation; docs/statistics.md has the figures of longer simulations.

All simulations are seeded. The bounds are about three standard errors of the simulation wide.
"""

import pytest
from simulated import World, interval_coverage, permutation_rates, rank_coverage

pytestmark = pytest.mark.slow

SIMULATIONS = 200


@pytest.mark.parametrize(
    "world",
    [
        World(items=40),
        World(seeds=2, items=40),
        World(run_sd=0.0, items=40),
        World(run_sd=0.6, items=40),
    ],
    ids=str,
)
def test_intervals_of_many_cells(world: World) -> None:
    """Nominal coverage is 95%. With `run_sd` 0 it is kept only if item-level noise is not counted twice."""
    coverage = interval_coverage(world, SIMULATIONS, seed=1)
    for kind in ("items", "runs", "total"):
        assert 0.905 <= coverage[kind] <= 0.985, coverage


def test_interval_of_cells_with_base_models_that_differ_in_everything() -> None:
    coverage = interval_coverage(World(models=10, seeds=1, items=40, cell_sd=0.2, model_sd=0.5), SIMULATIONS, seed=2)
    assert 0.87 <= coverage["cells"] <= 0.98


def test_few_runs_are_too_few() -> None:
    """The coverage for three runs of a single cell is as low as documented."""
    coverage = interval_coverage(World(benchmarks=1, models=1, items=200, run_sd=0.5), SIMULATIONS, seed=3)
    assert 0.70 <= coverage["runs"] <= 0.88


def test_single_seeds_have_no_interval_over_runs() -> None:
    coverage = interval_coverage(World(seeds=1, run_sd=0.6, items=40), SIMULATIONS, seed=4)
    assert "runs" not in coverage
    assert 0.9 <= coverage["items"] <= 0.985
    assert coverage["total"] < 0.85


def test_ranks() -> None:
    assert 0.93 <= rank_coverage(World(cell_sd=0, items=40), [0.02 * n for n in range(8)], 20) <= 1


@pytest.mark.parametrize(
    ("cells", "runs", "options"),
    [
        (12, (3, 3), {}),
        (12, (3, 3), {"noise": (0.10, 0.02)}),
        (12, (3, 1), {"noise": (0.02, 0.10)}),
        (12, (1, 1), {"heterogeneity": 0.1}),
        (3, (2, 2), {}),
    ],
)
def test_level_of_the_permutation_test(cells: int, runs: tuple[int, int], options: dict[str, float]) -> None:
    """Without a difference, p <= 0.05 in at most 5% of experiments; the interval contains 0 in all others."""
    level, coverage = permutation_rates(cells, runs, 400, **options)  # type: ignore[arg-type]
    assert level <= 0.083
    assert coverage == pytest.approx(1 - level)


def test_power_and_interval_of_a_true_difference() -> None:
    power, coverage = permutation_rates(12, (3, 3), 200, gap=0.06)
    assert power > 0.9
    assert 0.9 <= coverage <= 0.99

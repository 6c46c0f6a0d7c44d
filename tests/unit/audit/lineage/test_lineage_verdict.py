"""Each threshold of the verdict, at its limit and just beyond it."""

from itertools import pairwise
from typing import Any

import pytest

from posttrainbench.audit.lineage import Lineage, LineageVerdict, Statistics, Thresholds, worst
from posttrainbench.audit.lineage.records import LayerFacts
from posttrainbench.audit.lineage.slopes import Slopes, least_slope
from posttrainbench.audit.lineage.verdict import decide

LIMITS = Thresholds()
HONEST = Statistics(
    elements=10_000,
    compared=10_000,
    differing=10_000,
    share_base=0.02,
    share_forbidden=0.01,
    identical=0,
    norm_base=0.1,
    norm_forbidden=0.2,
    cosine_base=0.99,
    rho=0.2,
    alpha=0.1,
    slope=0.03,
    slope_spread=0.4,
    slope_cells=60,
    slope_error=0.01,
    steepest=0.1,
    rank_base=0.9,
    rank_forbidden=0.9,
    rank_pair=0.9,
    unmatched=0.0,
    rearranged=0,
    layers=[],
    sampled=False,
)
FULL = {"slope": 1.0, "slope_spread": 0.0}
MERGE = {"slope": 0.3, "slope_spread": 0.0}
LAYER = {"layer": 3, "cells": 12, "slope": 1.0, "spread": 0.05}
SHARES = {"share_base": 0.01, "share_forbidden": 0.2}
PATCHWORK = {"share_base": 0.7, "share_forbidden": 0.3}
ADAPTER = {"rank_forbidden": 0.1}


def verdict(unchanged: bool = False, **changes: Any) -> str:
    return decide(HONEST.model_copy(update=changes), unchanged, "F", LIMITS)[0].value


def reasons(**changes: Any) -> list[str]:
    return decide(HONEST.model_copy(update=changes), False, "F", LIMITS)[1]


def layer(**changes: Any) -> LayerFacts:
    return LayerFacts.model_validate(LAYER | changes)


CASES: dict[str, tuple[dict[str, Any], str]] = {
    "honest": ({}, "clean"),
    "an identical tensor": ({"identical": 1}, "proof"),
    "shares": (SHARES, "proof"),
    "shares, ratio at the limit": (SHARES | {"share_base": 0.02}, "clean"),
    "shares, margin at the limit": (SHARES | {"share_base": 0.0, "share_forbidden": 0.1}, "clean"),
    "shares, margin above the limit": (SHARES | {"share_base": 0.0, "share_forbidden": 0.11}, "proof"),
    "shares, sum above the margin": (SHARES | {"share_base": 0.009, "share_forbidden": 0.105}, "clean"),
    "shares, just enough weights": (SHARES | {"differing": 1000}, "proof"),
    "shares, too few weights": (SHARES | {"differing": 999}, "clean"),
    "patchwork": (PATCHWORK, "proof"),
    "patchwork, too few weights": (PATCHWORK | {"differing": 999}, "clean"),
    "patchwork, share at the limit": ({"share_base": 0.9, "share_forbidden": 0.1}, "proof"),
    "patchwork, share below the limit": ({"share_base": 0.91, "share_forbidden": 0.09}, "clean"),
    "patchwork, rest at the limit": ({"share_base": 0.6875, "share_forbidden": 0.3025}, "proof"),
    "patchwork, rest above the limit": ({"share_base": 0.68, "share_forbidden": 0.3}, "clean"),
    "full slope": (FULL, "proof"),
    "full slope, lower limit": ({"slope": 0.9, "slope_spread": 0.05}, "proof"),
    "full slope, upper limit": ({"slope": 1.1, "slope_spread": 0.05}, "proof"),
    "full slope, below": ({"slope": 0.89, "slope_spread": 0.05}, "suspect"),
    "full slope, above": ({"slope": 1.11, "slope_spread": 0.05}, "suspect"),
    "full slope, spread above the limit": (FULL | {"slope_spread": 0.051}, "suspect"),
    "full slope, just enough cells": (FULL | {"slope_cells": 12}, "proof"),
    "full slope, too few cells": (FULL | {"slope_cells": 11}, "suspect"),
    "merge": (MERGE, "proof"),
    "merge, slope and spread at the limits": ({"slope": 0.02, "slope_spread": 0.04}, "proof"),
    "merge, slope below the limit": ({"slope": 0.019, "slope_spread": 0.0}, "clean"),
    "merge, spread above the limit": ({"slope": 0.02, "slope_spread": 0.041}, "clean"),
    "merge, too few cells": ({"slope": 0.02, "slope_spread": 0.0, "slope_cells": 11}, "clean"),
    "a layer": ({"layers": [layer()]}, "proof"),
    "a layer, lower limit": ({"layers": [layer(slope=0.9)]}, "proof"),
    "a layer, upper limit": ({"layers": [layer(slope=1.1)]}, "proof"),
    "a layer, below": ({"layers": [layer(slope=0.89)]}, "clean"),
    "a layer, above": ({"layers": [layer(slope=1.11)]}, "clean"),
    "a layer, spread above the limit": ({"layers": [layer(spread=0.051)]}, "clean"),
    "a layer, too few cells": ({"layers": [layer(cells=11)]}, "clean"),
    "a layer of a model with a full slope": ({"layers": [layer()], "slope": 0.9}, "suspect"),
    "a merged adapter": (ADAPTER, "proof"),
    "a merged adapter, rank at the limit": ({"rank_forbidden": 0.5}, "proof"),
    "a merged adapter, rank above the limit": ({"rank_forbidden": 0.51}, "clean"),
    "no rank at all": ({"rank_forbidden": 0.0}, "clean"),
    "low rank of the change from the base too": (ADAPTER | {"rank_base": 0.5}, "clean"),
    "low rank between base and forbidden checkpoint": (ADAPTER | {"rank_pair": 0.5}, "clean"),
    "both ranks just above the limit": (ADAPTER | {"rank_base": 0.51, "rank_pair": 0.51}, "proof"),
    "unmatched, at the limit": ({"unmatched": 0.5}, "not_base_derived"),
    "unmatched, below the limit": ({"unmatched": 0.49}, "suspect"),
    "some unmatched, at the limit": ({"unmatched": 0.05}, "suspect"),
    "some unmatched, below the limit": ({"unmatched": 0.049}, "clean"),
    "slope minus four errors at the limit": ({"slope": 0.16, "slope_error": 0.01}, "suspect"),
    "slope minus four errors below the limit": ({"slope": 0.159, "slope_error": 0.01}, "clean"),
    "a steep matrix at the limit": ({"steepest": 0.6}, "suspect"),
    "a steep matrix below the limit": ({"steepest": 0.59}, "clean"),
    "correlation at the limit": ({"rho": 0.6}, "suspect"),
    "correlation below the limit": ({"rho": 0.59}, "clean"),
    "a rearranged matrix": ({"rearranged": 1}, "suspect"),
}


@pytest.mark.parametrize("name", CASES)
def test_limits(name: str) -> None:
    changes, expected = CASES[name]
    assert verdict(**changes) == expected, reasons(**changes)


def test_order_of_verdicts() -> None:
    assert verdict(unchanged=True) == "base_unchanged"
    assert verdict(unchanged=True, rho=0.9) == "base_unchanged"
    assert verdict(unchanged=True, unmatched=0.5) == "not_base_derived"
    assert verdict(identical=1, unmatched=0.5, rho=0.9) == "proof"


@pytest.mark.parametrize(
    ("changes", "texts"),
    [
        ({"identical": 3}, ["3 tensors are bit-identical to those of F"]),
        (SHARES, ["20.0% equal those of F and 1.0% those of the base model"]),
        (PATCHWORK, ["a patchwork of the two"]),
        (FULL, ["contains 100.0% of the base-to-F weight difference", "(spread 0.0%;", "it descends from F"]),
        (MERGE, ["contains 30.0% of the base-to-F weight difference", "it is a merge with F"]),
        (ADAPTER, ["rank 10% of the maximum", "it is F with a merged adapter"]),
        ({"unmatched": 0.5}, ["50% of the weights", "was not trained from the base model"]),
        ({"slope": 0.2}, ["base-to-F change gives slope 0.200;"]),
        ({"steepest": 0.7}, ["at least 0.70 in one matrix"]),
        ({"rho": 0.7}, ["(r = 0.70)"]),
        ({"rearranged": 2}, ["columns of 2 matrices are permuted or rescaled"]),
        ({"unmatched": 0.06}, ["6% of the weights"]),
        ({}, ["slope 0.030 (r = 0.20); independent fine-tunes on other data give slopes below 0.07 and r below 0.4"]),
    ],
)
def test_reasons_say_what_was_measured(changes: dict[str, Any], texts: list[str]) -> None:
    (reason,) = reasons(**changes)
    assert all(text in reason for text in texts), reason
    assert len(reason) <= 300


@pytest.mark.parametrize(
    ("layers", "listed"), [(1, "0"), (8, "0, 1, 2, 3, 4, 5, 6, 7"), (9, "0, 1, 2, 3, 4, 5, 6, 7, ...")]
)
def test_at_most_eight_layers_are_listed(layers: int, listed: str) -> None:
    (reason,) = reasons(layers=[layer(layer=number) for number in range(layers)])
    assert reason.endswith(f"trained further: {listed}")


def test_all_reasons_are_given() -> None:
    assert len(reasons(identical=1, **SHARES, **FULL)) == 3
    assert len(reasons(rho=0.7, rearranged=1, unmatched=0.06, steepest=0.7)) == 4
    assert len(reasons(slope=0.3, steepest=0.7)) == 1  # the matrix only says where the slope comes from


def test_the_most_severe_verdict_counts_and_the_first_of_equals() -> None:
    def of(tier: LineageVerdict, forbidden: str) -> Lineage:
        return Lineage(
            verdict=tier, forbidden=forbidden, reasons=[], statistics=HONEST, tensors=[], skipped={}, seconds=0
        )

    order = list(LineageVerdict)
    for more, less in pairwise(order):
        assert worst([of(less, "a"), of(more, "b")]).forbidden == "b"
    assert worst([of(LineageVerdict.CLEAN, "a"), of(LineageVerdict.CLEAN, "b")]).forbidden == "a"


def test_json_keeps_its_keys() -> None:
    data = HONEST.model_dump(mode="json")
    assert {"share_against", "norm_against", "rank_against", "strange"} <= data.keys()
    assert not any("forbidden" in key or "unmatched" in key for key in data)
    assert Statistics.model_validate(data) == Statistics.model_validate_json(HONEST.model_dump_json()) == HONEST


@pytest.mark.parametrize(
    ("bands", "error", "suspect"),
    [
        ([0.061, 1.12, 1.432], 0.133, False),  # honest: 300 steps of the embeddings alone, on instruct's data
        ([0.061, 1.12, 1.432], 0.01, False),
        ([0.37, 0.829, 1.078], 0.113, False),  # honest: 150 steps
        ([], 0.0, False),
        ([1.0, 1.0, 1.0], 0.0, True),
        ([0.799, 1.327, 1.441], 0.076, True),  # instruct's embeddings, trained for 30 steps
        ([0.516, 1.382, 1.571], 0.094, True),  # 60 steps
        ([0.963, 1.107, 1.229], 0.041, True),  # 40 steps of all weights
    ],
)
def test_a_matrix_is_suspect_if_its_slope_is_in_all_bands(bands: list[float], error: float, suspect: bool) -> None:
    least = least_slope(Slopes(bands, error, 1.0, 1.0, 1.0))
    assert (least >= LIMITS.suspect_matrix) is suspect

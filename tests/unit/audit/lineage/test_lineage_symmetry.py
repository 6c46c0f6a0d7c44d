"""Permutations and rescalings of matrices are undone."""

from collections.abc import Callable

import numpy as np
import pytest

from posttrainbench.audit.lineage.symmetry import NONE, arrange, unscaled

RNG = np.random.default_rng(0)
WHOLE = RNG.normal(0, 0.1, (200, 80)).astype(np.float32)
TRAINED = (WHOLE + RNG.normal(0, 0.01, WHOLE.shape)).astype(np.float32)
CHOSEN = np.arange(0, 200, 5)
ROWS, COLUMNS = RNG.permutation(200), RNG.permutation(80)
ACROSS = RNG.uniform(0.2, 5, (200, 1)).astype(np.float32)
DOWN = RNG.uniform(0.2, 5, 80).astype(np.float32)

CHANGES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "nothing": (lambda x: x, ""),
    "rows permuted": (lambda x: x[ROWS], "rows permuted"),
    "columns permuted": (lambda x: x[:, COLUMNS], "columns permuted"),
    "rows scaled": (lambda x: x * ACROSS, "rescaled"),
    "columns scaled": (lambda x: x * DOWN, "rescaled"),
    "rows and columns scaled, some turned": (lambda x: x * ACROSS * -DOWN, "rescaled"),
    "rows permuted and scaled": (lambda x: (x * ACROSS)[ROWS], "rows permuted, rescaled"),
}


def read(matrix: np.ndarray) -> Callable[..., np.ndarray]:
    return lambda which: matrix[which]


@pytest.mark.parametrize("name", CHANGES)
def test_what_was_done_is_undone(name: str) -> None:
    change, how = CHANGES[name]
    found = arrange(WHOLE[CHOSEN], read(change(TRAINED).astype(np.float32)), 200, CHOSEN, 0.8)
    assert found.how == how
    expected = TRAINED[CHOSEN] if "rescaled" not in how else unscaled(TRAINED[CHOSEN], WHOLE[CHOSEN])
    np.testing.assert_allclose(found.rows, expected, rtol=1e-3, atol=1e-5)


def test_weight_decay_is_not_a_rescaling() -> None:
    """Rows of tokens that do not occur only shrink."""
    decayed = WHOLE * np.where(np.arange(200) % 10 == 0, 0.9975, 0.998)[:, None].astype(np.float32)
    assert arrange(WHOLE[CHOSEN], read(decayed), 200, CHOSEN, 0.8).how == ""
    strong = WHOLE * np.float32(0.99)
    strong[::10] = TRAINED[::10]
    found = arrange(WHOLE[CHOSEN], read(strong), 200, CHOSEN, 0.8)
    assert found.how == ""
    np.testing.assert_allclose(found.rows[CHOSEN % 10 != 0], WHOLE[CHOSEN][CHOSEN % 10 != 0], rtol=1e-4)
    uneven = WHOLE * np.where(np.arange(200) % 2, 0.98, 0.995)[:, None].astype(np.float32)
    assert arrange(WHOLE[CHOSEN], read(uneven), 200, CHOSEN, 0.8).how == "rescaled"


def test_a_permuted_residual_stream_is_undone_with_its_order() -> None:
    mixed = TRAINED[ROWS][:, COLUMNS]
    assert arrange(WHOLE[CHOSEN], read(mixed), 200, CHOSEN, 0.8).how == NONE
    found = arrange(WHOLE[CHOSEN], read(mixed), 200, CHOSEN, 0.8, np.argsort(COLUMNS))
    assert found.how == "rows permuted, columns permuted"
    np.testing.assert_array_equal(found.rows, TRAINED[CHOSEN])


def test_rows_of_zeros_do_not_hinder() -> None:
    base, mine = WHOLE.copy(), TRAINED.copy()
    base[:100] = mine[:100] = 0
    assert arrange(base[CHOSEN], read(mine[ROWS]), 200, CHOSEN, 0.8).how == "rows permuted"


def test_strange_weights_fit_in_no_arrangement() -> None:
    other = np.random.default_rng(1).normal(0, 0.1, WHOLE.shape).astype(np.float32)
    assert arrange(WHOLE[CHOSEN], read(other), 200, CHOSEN, 0.8).how == NONE
    assert arrange(WHOLE[CHOSEN], read(np.zeros_like(WHOLE)), 200, CHOSEN, 0.8).how == NONE


def test_the_fit_of_scales_does_not_depend_on_scales() -> None:
    scaled = (TRAINED * ACROSS * DOWN).astype(np.float32)
    np.testing.assert_allclose(unscaled(scaled, WHOLE), unscaled(TRAINED, WHOLE), rtol=1e-3, atol=1e-6)

"""The compiled sums equal numpy's for all combinations of types."""

from itertools import product

import numpy as np
import pytest

from lineage_checkpoints import bf16
from posttrainbench.audit.lineage.streaming import Bits, Sums, add_up, differences
from posttrainbench.untrusted import UnreadableError

SIZE = 10_007  # no multiple of any block
TYPES = ("F32", "BF16", "F16")


def values(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 0.1, SIZE).astype(np.float32)


def bits(numbers: np.ndarray, dtype: str) -> Bits:
    raw = {
        "F32": numbers.view(np.uint32),
        "BF16": bf16(numbers),
        "F16": np.clip(numbers, -6e4, 6e4).astype(np.float16).view(np.uint16),
    }
    return Bits(raw[dtype], dtype)


def numbers(one: Bits) -> np.ndarray:
    if one.dtype == "BF16":
        return (one.bits.astype(np.uint32) << 16).view(np.float32)
    return one.bits.view(np.float16 if one.dtype == "F16" else np.float32).astype(np.float32)


@pytest.mark.parametrize("types", list(product(TYPES, repeat=3)), ids="-".join)
def test_sums_are_those_of_numpy(types: tuple[str, str, str]) -> None:
    start = values(0)
    trio = [
        bits(one, dtype)
        for one, dtype in zip((start + values(1) / 9, start, start + values(2) / 9), types, strict=True)
    ]
    trio[0].bits[::3] = bits(start, types[0]).bits[::3]  # some weights of the candidate are the base's
    got = add_up({"x": (trio[0], trio[1], trio[2])})["x"]
    c, b, a = (numbers(one).astype(np.float64) for one in trio)
    short = [bf16(numbers(one)) for one in trio]
    rounded = (short[1].astype(np.uint32) << 16).view(np.float32).astype(np.float64)
    d = c - (rounded if types[0] == "BF16" else b)
    r = a - b
    assert got.elements == SIZE
    assert got.equal_base == (short[0] == short[1]).sum()
    assert got.equal_forbidden == (short[0] == short[2]).sum()
    assert got.equal_pair == (short[1] == short[2]).sum()
    assert got.equal_all == ((short[0] == short[1]) & (short[0] == short[2])).sum()
    expected = [b @ b, b @ d, b @ r, d @ d, r @ r, d @ r]
    found = [got.bb, got.bd, got.br, got.dd, got.rr, got.dr]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_several_tensors_add_up() -> None:
    one = bits(values(0), "F32")
    other = bits(values(1), "F32")
    sums = add_up({"a": (one, other, one), "b": (other, one, one)})
    assert Sums.total(list(sums.values())).dd == pytest.approx(2 * sums["a"].dd, rel=1e-6)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 3e38])
def test_impossible_values_are_an_error(bad: float) -> None:
    wrong = values(0)
    wrong[4321] = bad
    with pytest.raises(UnreadableError, match="NaN"):
        add_up({"x": (bits(wrong, "F32"), bits(values(0), "F32"), bits(values(1), "F32"))})


def test_differences_are_counted_in_the_coarser_type() -> None:
    exact = bits(values(0), "F32")
    assert differences(exact, bits(values(0), "BF16")) == 0
    assert differences(exact, bits(values(0), "F16")) == 0
    nudged = values(0)
    nudged[:5] = np.nextafter(nudged[:5], np.float32(1))
    assert differences(exact, bits(nudged, "F32")) == 5

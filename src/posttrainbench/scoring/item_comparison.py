"""Compare two runs item by item: which items each submission answers better, and the exact paired test.

The test is McNemar's exact test: if neither submission were better, each item on which they differ would be equally
likely to favor either one. For scores between 0 and 1 it is the sign test, which ignores by how much they differ. It is
about these two submissions on items like these, not about the agents: another seed gives another submission.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from posttrainbench.errors import InputError
from posttrainbench.records import Record
from posttrainbench.scoring.aggregate import TIE
from posttrainbench.scoring.cells import Cell

ALPHA = 0.05


class ItemDifference(Record):
    """An item on which two submissions have different scores, 0-1."""

    item: str
    score_a: float
    score_b: float


class ItemComparison(Record):
    """Two runs on the items of a benchmark; its JSON form is a public contract.

    Attributes:
        run_a, run_b: names of the runs.
        score_a, score_b: mean scores of the submissions on the common items, before any reset.
        items: number of common items.
        better_a, better_b: items with a higher score of A, and of B.
        p_value: two-sided p of the exact test.
        left_out: items that only one of the runs has.
        differences: items with different scores, by id.
        notes: what limits the comparison.
        sentence: the result in plain words.
    """

    benchmark: str
    run_a: str
    run_b: str
    score_a: float
    score_b: float
    items: int
    better_a: int
    better_b: int
    p_value: float
    left_out: int
    differences: list[ItemDifference]
    notes: list[str]
    sentence: str


def compare_items(a: Cell, b: Cell) -> ItemComparison:
    """Compare the submissions of two runs.

    Raises:
        InputError: they are the same run or on different benchmarks, one was not evaluated, or they share no item.
    """
    if a.path is not None and a.path == b.path:
        raise InputError("A run cannot be compared with itself; name two runs.")
    if a.benchmark != b.benchmark:
        raise InputError(
            f"The runs are on different benchmarks ({a.benchmark}, {b.benchmark}), so they have no items in common."
        )
    items_a, items_b = _items(a), _items(b)
    common = sorted(items_a.keys() & items_b.keys())
    if not common:
        raise InputError("The runs have no test item in common; they were evaluated on different items.")
    differences = [
        ItemDifference(item=item, score_a=items_a[item], score_b=items_b[item])
        for item in common
        if abs(items_a[item] - items_b[item]) > TIE
    ]
    better_a = sum(one.score_a > one.score_b for one in differences)
    better_b = len(differences) - better_a
    p_value = sign_test(better_a, better_b)
    count = len(common)
    return ItemComparison(
        benchmark=a.benchmark,
        run_a=a.run,
        run_b=b.run,
        score_a=math.fsum(items_a[item] for item in common) / count,
        score_b=math.fsum(items_b[item] for item in common) / count,
        items=count,
        better_a=better_a,
        better_b=better_b,
        p_value=p_value,
        left_out=len(items_a) + len(items_b) - 2 * count,
        differences=differences,
        notes=_notes(a, b, len(items_a) + len(items_b) - 2 * count),
        sentence=_sentence(count, better_a, better_b, p_value),
    )


def sign_test(wins: int, losses: int) -> float:
    """Return the two-sided p of the exact sign test; 1 without any difference."""
    number = wins + losses
    if wins == losses:
        return 1.0
    logs = [
        math.lgamma(number + 1) - math.lgamma(k + 1) - math.lgamma(number - k + 1) - number * math.log(2)
        for k in range(min(wins, losses) + 1)
    ]
    return min(1.0, 2 * math.fsum(map(math.exp, logs)))


def _items(cell: Cell) -> Mapping[str, float]:
    if not cell.raw_items:
        raise InputError(f"Run {cell.run} has no scores of single items; its submission was not evaluated.")
    return cell.raw_items


def _sentence(items: int, better_a: int, better_b: int, p_value: float) -> str:
    counts = (
        f"Of {items:,} items, A has the higher score on {better_a:,}, B on {better_b:,}, and "
        f"{items - better_a - better_b:,} are equal."
    )
    p = "p < 0.0001" if p_value < 0.0001 else f"p = {p_value:.4f}"
    if p_value > ALPHA:
        return f"{counts} The items do not show which submission is better (exact paired test, {p})."
    winner = "A" if better_a > better_b else "B"
    return f"{counts} So {winner} is better on items like these (exact paired test, {p})."


def _notes(a: Cell, b: Cell, left_out: int) -> list[str]:
    notes = ["The test compares two submissions, not two agents; compare agents over several seeds."]
    for name, cell in (("A", a), ("B", b)):
        if cell.reset:
            notes.append(f"{name} was reset to the base model's score; its submission's own items are compared.")
        elif not cell.counted:
            status = str(cell.status).replace("_", " ") if cell.status else "unfinished"
            notes.append(f"{name} does not count ({status}).")
    if a.model != b.model:
        notes.append(f"The base models differ: {a.model} and {b.model}.")
    if a.engine != b.engine:
        notes.append(f"They were evaluated with different engines: {a.engine} and {b.engine}.")
    if left_out:
        notes.append(f"{left_out:,} items that only one of the runs has are left out.")
    return notes

"""Decide what happened to all rows with test items of a file, by following some of them through a program.

Rows of one kind are alike in the columns with few different values. Some rows of each kind are followed one by one.
Then the whole kind is followed as one row, of which only the values that all share are known: if that row is certainly
left out, or certainly trained on, so is each of them. Otherwise the program's choice depends on positions, or on
columns with many different values, and all rows are followed one by one, as far as the budget of steps allows.
"""

from collections.abc import Callable, Sequence

from posttrainbench.audit.behavior.item_files import ItemFile, ItemRow
from posttrainbench.audit.behavior.training_files import FATES, Fate

Follow = Callable[[Sequence[ItemRow]], Fate]
"""Returns what happens to a row, or to each of several that are followed as one; `unclear` once the budget is spent."""


def fates_of_rows(file: ItemFile, follow: Follow) -> dict[Fate, set[int]]:
    """Return the items by what happened to the rows that hold them."""
    fates: dict[Fate, set[int]] = {fate: set() for fate in FATES}
    for kind, chosen in zip(file.kinds, file.followed(), strict=True):
        known: dict[tuple[str | int, ...], Fate] = {row.keys: follow([row]) for row in chosen}
        rest = [row for row in kind if row.keys not in known]
        common = _common(kind, set(known.values()), follow) if rest else None
        for row in rest:
            known[row.keys] = common or follow([row])
        for row in kind:
            fates[known[row.keys]].add(row.item)
    return fates


def _common(kind: Sequence[ItemRow], found: set[Fate], follow: Follow) -> Fate | None:
    """Return the fate of all rows of a kind of which some were followed; None if they must be followed one by one."""
    if found <= {"unclear", "slice"}:
        return min(found, key=FATES.index)
    if len(found) > 1:
        return None
    fate = follow(kind)
    return fate if found == {fate} else None

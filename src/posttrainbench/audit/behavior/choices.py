"""Rows that a choice keeps or leaves out, where one row is followed (`rows.World`).

For the row that is followed, a choice is computed: it stays or it does not. What cannot be computed marks the row as
`unclear`, unless it is a condition that chooses no rows by what they are: see `conditions`.
"""

from __future__ import annotations

from dataclasses import replace

from posttrainbench.audit.behavior.concrete import truth
from posttrainbench.audit.behavior.rows import WITHOUT, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, UNKNOWN, Value, unclear

MASK = "a mask"
"""Name of the results of comparisons that are not known."""
LAST = "the last position"
OTHER = "another position"
"""Name of the positions in a range that does not contain that of the row."""
EITHER = "one of some lists"
"""Name of a list that may be any of some: what is added to it is not known to be in none of them."""
KEYS = "keys of a dictionary"
"""Name of the keys of a dictionary that has more keys than those that are known."""
LONGEST_SPAN = 5000
"""Numbers that are tried one by one, and elements of a list of constants that is made by `*` and `+`."""


def is_followed(value: Value) -> bool:
    """Return True if a value comes from a file."""
    return any(taint.kind == "test" for taint in value.all())


def without_row(value: Value) -> Value:
    """Return a collection without the row that is followed; its other rows are of no interest."""
    return Value(names=value.names | {WITHOUT}, whole=True, truth=value.truth)


def chosen(value: Value, verdict: bool | None) -> Value:
    """Return the rows that a condition keeps: with the one that is followed, without it, or perhaps."""
    if verdict is False:
        return without_row(value)
    kept = replace(value, fields=dict(value.fields), place=ANYWHERE if value.place == ANYWHERE else None, total=None)
    return kept if verdict else unclear(kept)


def mask_truth(mask: Value) -> bool | None:
    """Return whether a mask or a result keeps the row that is followed."""
    return mask_truth(mask.fields[UNKNOWN]) if is_collection(mask) else truth(mask)


def column(value: Value) -> Value:
    """Return the value of a column in the row that is followed."""
    return value.fields[UNKNOWN] if is_collection(value) else value


def is_position(value: Value) -> bool:
    """Return True for the known position of the row, or one of several that are known."""
    return value.span is not None or (isinstance(value.literal, int) and not isinstance(value.literal, bool))


def is_list(value: Value) -> bool:
    """Return True for lists whose length or whose row is known."""
    return is_collection(value) or value.total is not None


def as_slice(value: Value, depth: int = 6) -> Value:
    """Return rows that a slice may have cut off."""
    taints = value.taints if depth else value.all()
    return replace(
        value,
        taints=frozenset(replace(one, part=one.part or "slice") if one.kind == "test" else one for one in taints),
        fields={name: as_slice(part, depth - 1) for name, part in value.fields.items()} if depth else {},
    )


def blur(rows: Value) -> None:
    """Forget the values of the row in a table, which may have been changed."""
    row = rows.fields[UNKNOWN]
    rows.fields[UNKNOWN] = unclear(
        Value(row.all(), fields={name: Value(part.all()) for name, part in row.fields.items()})
    )


def doubtful(rows: Value) -> None:
    """Mark the row in a list as unclear."""
    marked = unclear(rows)
    rows.fields, rows.taints, rows.names = marked.fields, marked.taints, marked.names
    if rows.place != ANYWHERE:
        rows.place, rows.total = None, None

"""Models of functions that read, choose and rearrange rows, for an analysis in which one row is followed.

The first model that knows a function decides. `followed_values` covers functions of known values, `followed_parsers`
parsers of JSON and CSV, `followed_columns` columns, `followed_sequences` built-in functions on lists and iterators,
`followed_dictionaries` methods of dictionaries and lists, `followed_tables` tables and data sets, `databases` SQL.
"""

from __future__ import annotations

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.known_paths import known_paths
from posttrainbench.audit.behavior.library_models.followed_columns import columns
from posttrainbench.audit.behavior.library_models.followed_dictionaries import dictionaries
from posttrainbench.audit.behavior.library_models.followed_parsers import parsed
from posttrainbench.audit.behavior.library_models.followed_readers import conversions, read_tables
from posttrainbench.audit.behavior.library_models.followed_sequences import sequences
from posttrainbench.audit.behavior.library_models.followed_tables import (
    changed_in_place,
    choosing_keywords,
    rearranged,
    tables,
)
from posttrainbench.audit.behavior.library_models.followed_values import known_values
from posttrainbench.audit.behavior.library_models.positions import positions
from posttrainbench.audit.behavior.values import Value


def followed_rows(call: Call) -> Value | None:
    """Model of functions that read and choose rows; None if no row is followed, or if it knows nothing."""
    if call.context.world is None:
        return None
    for model in (
        known_paths,
        choosing_keywords,
        read_tables,
        conversions,
        positions,
        known_values,
        parsed,
        columns,
        sequences,
        dictionaries,
        tables,
        rearranged,
    ):
        result = model(call)
        if result is not None:
            return changed_in_place(call, result)
    return None

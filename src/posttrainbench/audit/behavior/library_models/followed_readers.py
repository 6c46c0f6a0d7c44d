"""Models of functions that read tables, and that convert their values, for an analysis in which one row is followed.

CSV files have only texts. What a comparison with a value gives depends on whether a reader made a number of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import is_followed
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.rows import DOCUMENT, is_collection
from posttrainbench.audit.behavior.values import COLUMN, UNKNOWN, Value

_READERS = frozenset("read_csv read_table read_json read_parquet read_feather read_ndjson scan_csv scan_ndjson".split())
_PLAIN = frozenset(
    "sep delimiter separator encoding usecols columns engine lines orient low_memory quoting quotechar compression "
    "storage_options memory_map infer_schema_length try_parse_dates parse_dates dtype dtypes schema_overrides "
    "filepath_or_buffer path_or_buf path source has_header rechunk n_threads use_nullable_dtypes dtype_backend".split()
)
"""Arguments of readers that change no values, or of which the effect is computed."""
_CONVERSIONS: dict[str, Callable[[Any], Any]] = {"str": str, "int": int, "float": float, "bool": bool}
_KINDS: dict[str, str] = {
    **dict.fromkeys("str string object unicode Utf8 String str_ StringDtype".split(), "str"),
    **dict.fromkeys("int int8 int16 int32 int64 Int8 Int16 Int32 Int64 UInt8 UInt32 UInt64 uint8".split(), "int"),
    **dict.fromkeys("float float32 float64 Float32 Float64".split(), "float"),
    **dict.fromkeys("bool boolean Boolean bool_".split(), "bool"),
}
_SAME = frozenset(["category", "Categorical"])


def read_tables(call: Call) -> Value | None:
    """Model of readers of tables, whose arguments decide on the types of the values."""
    if call.last not in _READERS or call.function.functions or call.context.world is None:
        return None
    source = call.argument(0, "filepath_or_buffer", "path_or_buf", "path", "source") or Value()
    rows = call.read_value(source)
    if not is_collection(rows) or not is_followed(rows):
        return None
    row = rows.fields[UNKNOWN]
    if not call.named.keys() <= _PLAIN:
        row = Value(row.all(), fields={name: Value(part.all()) for name, part in row.fields.items()})
    given = next((call.named[name] for name in ("dtype", "dtypes", "schema_overrides") if name in call.named), None)
    if given is not None:
        raw = call.read_value(source, raw=True).fields.get(DOCUMENT, Value())
        texts = raw.fields[UNKNOWN].fields if is_collection(raw) else {}
        row = replace(row, fields=_typed(row.fields, texts, given))
    pandas = any(name.startswith(("pandas.", "pd.")) for name in call.function.names)
    return replace(rows, fields={UNKNOWN: row}, label=rows.place if pandas else None)


def _typed(cells: Mapping[str, Value], texts: Mapping[str, Value], given: Value) -> dict[str, Value]:
    """Return the cells of a row with the types that a reader is told."""
    typed = {}
    for name, cell in cells.items():
        wanted = given.fields.get(name) if given.fields else given
        kind = "same" if wanted is None else kind_of(wanted)
        typed[name] = cell if kind == "same" else texts.get(name, cell) if kind == "str" else converted(cell, kind)
    return typed


def kind_of(value: Value) -> str:
    """Return the type that a value names: `str`, `int`, `float` or `bool`; `same` for the same, "" if unknown."""
    known = literal(value)
    names = [known] if isinstance(known, str) else [name.rpartition(".")[2].removesuffix("()") for name in value.names]
    if len(names) == 1 and names[0] in _SAME:
        return "same"
    return _KINDS.get(names[0], "") if len(names) == 1 else ""


def converted(cell: Value, kind: str, *, lower: bool = False) -> Value:
    """Return a value as another type.

    Args:
        cell: the value.
        kind: the type, as `kind_of` returns it.
        lower: whether truth values become texts in lower case, as in polars.
    """
    known = literal(replace(cell, names=cell.names - {COLUMN}))
    if kind == "same":
        return cell
    if known is UNKNOWN_VALUE or known is None or not kind or isinstance(known, list):
        return Value(cell.all())
    try:
        made = _CONVERSIONS[kind](known)
    except (TypeError, ValueError, OverflowError):
        return Value(cell.all())
    if lower and isinstance(known, bool):
        made = str(made).lower()
    return replace(literal_value(made, cell.all()), place=cell.place, total=cell.total, names=cell.names & {COLUMN})


def conversions(call: Call) -> Value | None:
    """Model of `astype`, `cast` and `to_numeric`, of a column or of a whole table."""
    if call.function.functions:
        return None
    first = call.argument(0) or Value()
    if call.last == "to_numeric" and literal(first) is not UNKNOWN_VALUE:
        return converted(first, "float")
    receiver = call.receiver
    if call.last not in ("astype", "cast") or receiver is None or not call.arguments or not is_followed(receiver):
        return None
    lower = call.last == "cast"
    if not is_collection(receiver):
        return converted(receiver, kind_of(first), lower=lower) if receiver.literal is not ... else None
    row = receiver.fields[UNKNOWN]
    if not row.fields:
        return replace(receiver, fields={UNKNOWN: converted(row, kind_of(first), lower=lower)})
    if call.last == "cast" and not first.fields and not kind_of(first):
        return None  # of `datasets`: features
    cells = {
        name: converted(cell, kind_of(wanted), lower=lower)
        if (wanted := first.fields.get(name) if first.fields else first) is not None
        else cell
        for name, cell in row.fields.items()
    }
    return replace(receiver, fields={UNKNOWN: replace(row, fields=cells)})

"""Models of functions that choose and rearrange rows of tables and data sets, where one row is followed.

Covers pandas, polars, `datasets`, and functions that copy, shuffle, map or join rows.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Any

from posttrainbench.audit.behavior import choices, concrete, row_subscripts
from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.choices import chosen, doubtful, is_followed, mask_truth
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, literal, literal_value
from posttrainbench.audit.behavior.libraries import CHOOSES
from posttrainbench.audit.behavior.row_operators import concatenated
from posttrainbench.audit.behavior.rows import INDEX, WITHOUT, collection, is_collection
from posttrainbench.audit.behavior.values import ANYWHERE, EVERY, NONE, UNKNOWN, Scope, Value, key_name, unclear

GROUPS = "groups of rows"
_SAME = frozenset(
    "DataFrame DataLoader Dataset IterableDataset ListDataset Series add_column array arrow as_completed "
    "as_dataset asarray astype batch cast cast_column class_encode_column collect copy cycle deepcopy df "
    "drop_duplicates drop_nulls dropna fetch_arrow_table fetchall fetchdf fetchmany fetchnumpy fillna flatten "
    "flatten_indices from_arrow from_dicts from_list from_pandas from_records iter iter_rows iterrows itertuples "
    "lazy list list_rows next_batch pl prepare_dataset rename rename_columns reset_index result rows set_format "
    "to_arrow to_csv to_df to_dict to_dicts to_iterable_dataset to_list to_numpy to_pandas to_records to_table "
    "to_pylist tolist tqdm track train_dataloader tuple unique with_format with_transform".split()
)
"""Functions and methods whose result has the same rows in the same order, as far as that matters."""
_MIXED = frozenset("sorted sort sort_values set reversed order_by sort_by interleave_datasets frozenset".split())
_SHUFFLES = frozenset("shuffle permutation sample choices random_split train_test_split shuffled".split())
_JOINS = frozenset("concatenate_datasets concat chain from_iterable vstack hstack concatenate union union_all".split())


_PARTS = frozenset("nrows n_rows max_rows num_rows skiprows skip_rows skipfooter chunksize filters predicate".split())
"""Arguments of readers that leave out rows."""
_WEIGHTS = frozenset("weights weight sampler batch_sampler p sample_weight probabilities".split())
"""Arguments that may give rows no weight."""
_WEIGHED = frozenset("DataLoader sample choices choice fit interleave_datasets StatefulDataLoader".split())


def choosing_keywords(call: Call) -> Value | None:
    """Mark the rows of calls with arguments that leave out some as unclear; None for other calls."""
    if call.function.functions:
        return None
    parts = {name for name in call.named if name in _PARTS and literal(call.named[name]) is not None}
    if parts and (call.last.startswith(("read_", "scan_", "load_dataset")) or call.last == "read"):
        rows = call.read_value(call.argument(0))
        return unclear(rows) if is_collection(rows) else Value(unclear(Value(rows.all())).all())
    weights = {name for name in call.named if name in _WEIGHTS and literal(call.named[name]) is not None}
    candidates = [value for value in (call.receiver, *call.arguments) if value is not None]
    rows_of = next((value for value in candidates if is_collection(value) and is_followed(value)), None)
    if call.last == "choices" and len(call.arguments) > 1 and "random.choices" in call.function.names:
        weights |= {"weights"}
    if rows_of is not None and rows_of is not call.receiver and CHOOSES.search(call.last):
        result = unclear(replace(rows_of, fields=dict(rows_of.fields)))
        if call.context.statement is call.node:  # its result is not used, so it may change the rows that it is given
            doubtful(rows_of)
        return result
    if rows_of is None or call.last not in _WEIGHED or not weights:
        return None
    named = {part for name in weights for part in call.named.get(name, Value()).names}
    every = any(name.endswith(("RandomSampler()", "SequentialSampler()", "DistributedSampler()")) for name in named)
    some = any("Subset" in name or "Weighted" in name for name in named)
    return None if every and not some else unclear(replace(rows_of, fields=dict(rows_of.fields)))


def changed_in_place(call: Call, result: Value) -> Value:
    """Return a result; with `inplace=True`, change the table as well."""
    rows = call.receiver
    if result.label is not None and call.named.get("ignore_index", Value(truth=False)).truth is not False:
        result = replace(result, label=None)
    if rows is None or not is_collection(rows) or call.named.get("inplace", Value(truth=False)).truth is False:
        return result
    doubt = call.context.doubt or call.context.uncertain
    changed = unclear(result if is_followed(result) else rows) if doubt else result
    rows.fields, rows.taints, rows.names = dict(changed.fields), changed.taints, changed.names
    rows.place, rows.total, rows.label = changed.place, changed.total, changed.label
    return Value()


def tables(call: Call) -> Value | None:
    """Model of methods that choose rows of a table or data set."""
    rows = call.receiver
    if rows is None or call.function.functions or not is_collection(rows):
        return None
    first = call.argument(0) or Value()
    known = literal(first)
    if call.last in ("filter", "query", "where", "mask", "remove", "drop_while", "take_while"):
        verdict = _verdict(call, rows)
        if call.last in ("mask", "remove") and verdict is not None:
            verdict = not verdict
        other = call.argument(1, "other") if call.last in ("where", "mask") else None
        if other is not None and literal(other) is not None and verdict is not True and is_followed(other):
            return unclear(rows)  # the row, or the value at this place in the other table
        columns = call.last == "filter" and "items" in call.named
        return rows if columns else chosen(rows, verdict)
    if call.last == "drop":
        if isinstance(names := literal(call.named.get("columns", Value())), str | list):
            dropped = [names] if isinstance(names, str) else names
            row = rows.fields[UNKNOWN]
            kept = {name: part for name, part in row.fields.items() if name not in dropped}
            return replace(rows, fields={UNKNOWN: replace(row, fields=kept)})
        if "columns" in call.named or literal(call.named.get("axis", Value())) == 1:
            return rows
        first = call.argument(0, "index", "labels") or Value()
        known = literal(first)
        if isinstance(known, list | str) and known and all(isinstance(one, str) for one in known):
            return rows
        labels = choices.column(first)
        if isinstance(known, list) or labels.span is not None:
            gone = known if isinstance(known, list) else labels.span or ()
            return chosen(rows, None if rows.label is None else rows.label not in gone)
        if first.functions or not (is_followed(first) or first.whole):
            return unclear(rows)
        same = first.all() <= rows.all() and not any(taint.part for taint in first.all())
        return chosen(rows, not is_followed(first) if same else None)
    if call.last in ("dropna", "drop_nulls", "drop_nans"):
        return _complete(call, rows)
    if call.last in ("drop_duplicates", "unique") and "keep" in call.named:
        return rows if literal(call.named["keep"]) in ("first", "last", "any") else unclear(rows)
    if call.last in ("join", "merge"):
        keeps = literal(call.named.get("how", Value())) in ("left", "outer", "full", "cross")
        return replace(rows, fields=dict(rows.fields)) if keeps else unclear(rows)
    if call.last in ("select", "take", "gather", "iloc") and (call.arguments or call.named):
        return _selected(call, rows, call.argument(0, "indices") or Value())
    if call.last in ("head", "limit", "tail", "skip", "slice"):
        return _cut(call, rows, known)
    if call.last in ("groupby", "group_by", "partition_by"):
        names = [known] if isinstance(known, str) else known
        row = rows.fields[UNKNOWN]
        keys = [row.fields[name] for name in names if name in row.fields] if isinstance(names, list) else []
        key = call.invoke(first, [row]) if first.functions else keys[0] if len(keys) == 1 else Value()
        if is_followed(first) and not keys:
            key = first
        group = replace(rows, fields=dict(rows.fields), place=None, total=None)
        if call.last == "partition_by" and isinstance(name := literal(key), str):
            both = (key_name(name), key_name([name]))  # a tuple in current versions
            by_key = Value(fields=dict.fromkeys(both, group), mapping=True)
            return by_key if "as_dict" in call.named else Value(fields={"0": group})
        return replace(collection(Value(fields={"0": key, "1": group})), names=frozenset([GROUPS]))
    if call.last == "get_group" and GROUPS in rows.names:
        pair = rows.fields[UNKNOWN].fields
        key = literal(pair["0"])
        wanted = known[0] if isinstance(known, list) and len(known) == 1 else known
        answer = None if UNKNOWN_VALUE in (key, wanted) else key == wanted
        return chosen(pair["1"], answer)
    if call.last in ("set_index",) and isinstance(known, str):
        row = rows.fields[UNKNOWN]
        fields = {**row.fields, INDEX: row.fields.get(known, Value())}
        return replace(rows, fields={UNKNOWN: replace(row, fields=fields)}, label=None)
    if call.last == "reset_index" and rows.fields[UNKNOWN].fields:
        place = rows.place if rows.place is not None and rows.place >= 0 else None
        return replace(rows, fields=dict(rows.fields), label=place)
    if call.last in ("xs",) and isinstance(known, str):
        index = literal(rows.fields[UNKNOWN].fields.get(INDEX, Value()))
        return chosen(rows, None if index is UNKNOWN_VALUE else index == known)
    if call.last in ("assign", "with_columns", "add_column"):
        row = rows.fields[UNKNOWN]
        fields = dict(row.fields)
        for name, value in call.named.items():
            fields[name] = call.invoke(value, [rows]) if value.functions else choices.column(value)
        if call.last == "with_columns" and call.arguments:
            return replace(rows, fields={UNKNOWN: Value(row.all(), fields={})})
        if call.last == "add_column" and isinstance(known, str) and len(call.arguments) > 1:
            fields[known] = call.element(call.arguments[1])
        return replace(rows, fields={UNKNOWN: replace(row, fields=fields)})
    if call.last in ("rename", "rename_column", "rename_columns"):
        return _renamed(call, rows)
    return None


def _complete(call: Call, rows: Value) -> Value:
    """Return the rows of which no value is missing."""
    row = rows.fields[UNKNOWN]
    if "axis" in call.named or "thresh" in call.named or "how" in call.named:
        return unclear(rows)
    named = literal(call.argument(0, "subset") or Value(literal=None))
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else list(row.fields)
    values = [literal(row.fields[name]) if name in row.fields else UNKNOWN_VALUE for name in names]
    if None in values:
        return choices.without_row(rows)
    unknown = [name for name in names if name not in row.fields or not _is_filled(row.fields[name])]
    return unclear(rows) if unknown or "" in values else replace(rows, fields=dict(rows.fields))


def _is_filled(value: Value) -> bool:
    return literal(value) is not UNKNOWN_VALUE or is_followed(value)


def _verdict(call: Call, rows: Value) -> bool | None:
    """Return whether a condition keeps the row; None if that is not known."""
    row = rows.fields[UNKNOWN]
    verdicts: list[bool | None] = []
    for value in [*call.arguments[:4], *(call.named[name] for name in ("function", "predicate") if name in call.named)]:
        text = literal(value)
        if isinstance(text, str):
            verdicts.append(_queried(call, row, text))
        elif value.functions and call.last != "query":
            verdicts.append(mask_truth(_answer(call, value, rows)))
        else:
            verdicts.append(mask_truth(value))
    for name in call.named.keys() & row.fields.keys():  # `filter(split="train")` of polars
        known, wanted = literal(row.fields[name]), literal(call.named[name])
        verdicts.append(None if UNKNOWN_VALUE in (known, wanted) else known == wanted)
    return False if False in verdicts else True if verdicts and None not in verdicts else None


def _queried(call: Call, row: Value, text: str) -> bool | None:
    """Return the result of a query of pandas for a row."""
    try:
        tree = ast.parse(re.sub(r"@(\w)", r"\1", text.strip()), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return None
    scope = Scope(dict(row.fields), call.scope)
    evaluate = getattr(call.caller, "value", None)
    return concrete.truth(evaluate(tree.body, scope)) if evaluate is not None else None


def _answer(call: Call, function: Value, rows: Value) -> Value:
    """Return what a function of a row, or of a batch of rows, says of the row that is followed."""
    row = rows.fields[UNKNOWN]
    columns = literal(call.named.get("input_columns", Value()))
    batched = call.named.get("batched", Value()).truth
    fixed = dict(call.named.get("fn_kwargs", Value()).fields)
    node = function.functions[0].node
    outer, call.context.columns = call.context.columns, row
    try:
        if isinstance(node, ast.Lambda) and not node.args.args:
            return call.invoke(function, [])
        names = [columns] if isinstance(columns, str) else columns if isinstance(columns, list) else []
        arguments = [row.fields.get(name, Value(row.all())) for name in names] or [row]
        if batched:
            arguments = [collection(one) for one in arguments] if names else [_batch(row)]
        if call.named.get("with_indices", Value()).truth:
            place = rows.place if rows.place is not None and rows.place >= 0 else None
            arguments.append(literal_value(place, NONE) if place is not None else Value())
        return call.invoke(function, arguments, fixed)
    finally:
        call.context.columns = outer


def _batch(row: Value) -> Value:
    return Value(row.taints, fields={name: collection(part) for name, part in row.fields.items()}, closed=row.closed)


def _selected(call: Call, rows: Value, indices: Value) -> Value | None:
    """Return the rows at some positions."""
    known = literal(indices)
    if isinstance(known, str) or indices.functions or (isinstance(known, list) and known and isinstance(known[0], str)):
        return rows  # columns
    if isinstance(known, list) and rows.place is not None and rows.place >= 0:
        return row_subscripts.listed(rows, known)
    if is_collection(indices):
        if choices.OTHER in indices.fields[UNKNOWN].names:
            return choices.without_row(rows)
        if EVERY in indices.fields[UNKNOWN].names:
            return chosen(rows, True)
        number, span = literal(indices.fields[UNKNOWN]), indices.fields[UNKNOWN].span
        if span is not None and rows.place is not None and rows.place >= 0:
            if rows.place not in span:
                return choices.without_row(rows)
            return replace(rows, fields=dict(rows.fields), place=span.index(rows.place), total=len(span))
        if number is UNKNOWN_VALUE or rows.place is None or rows.place < 0:
            return chosen(rows, None if rows.place != ANYWHERE else True)
        return chosen(rows, number == rows.place)
    if rows.place == ANYWHERE:
        return rows
    node = call.node.args[0] if call.node.args else call.node
    if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "range":
        return _ranged(call, rows, node)
    if isinstance(known, int):
        return row_subscripts.window(rows, ast.Slice(None, node), [None, indices, None])
    return without if (without := _empty(rows, indices)) is not None else unclear(rows)


def _empty(rows: Value, indices: Value) -> Value | None:
    """Return no rows for an empty list of positions, from which a condition excluded the row."""
    return choices.without_row(rows) if WITHOUT in indices.names and not indices.fields else None


def _ranged(call: Call, rows: Value, node: ast.Call) -> Value:
    evaluate = getattr(call.caller, "value", None)
    bounds = [evaluate(one, call.scope) for one in node.args] if evaluate is not None else []
    bounds = [Value(number=0), *bounds] if len(bounds) == 1 else bounds
    return row_subscripts.window(rows, ast.Slice(node, node), [*bounds, None][:3])


def _cut(call: Call, rows: Value, known: Any) -> Value:
    """Return the rows at the beginning or the end, or those after some."""
    number = call.argument(0, "n") or Value(number=5)
    second = call.argument(1, "length")
    node = call.node
    if call.last in ("head", "limit"):
        return row_subscripts.window(rows, ast.Slice(None, node), [None, number, None])
    if call.last == "tail":
        start = Value(number=-known) if isinstance(known, int) else Value()
        return row_subscripts.window(rows, ast.Slice(node, None), [start, None, None])
    if call.last == "slice" and second is not None and isinstance(length := literal(second), int):
        end = Value(number=known + length) if isinstance(known, int) else Value()
        return row_subscripts.window(rows, ast.Slice(node, node), [number, end, None])
    return row_subscripts.window(rows, ast.Slice(node, None), [number, None, None])


def _renamed(call: Call, rows: Value) -> Value:
    row = rows.fields[UNKNOWN]
    table = call.named.get("columns", call.argument(0) or Value())
    pairs = {name: literal(part) for name, part in table.fields.items()}
    texts = [literal(value) for value in call.arguments[:2]]
    if len(texts) == 2 and all(isinstance(one, str) for one in texts):
        pairs = {str(texts[0]): texts[1]}
    fields = {name: part for name, part in row.fields.items() if name not in pairs}
    fields |= {str(pairs[name]): part for name, part in row.fields.items() if name in pairs}
    return replace(rows, fields={UNKNOWN: replace(row, fields=fields)})


def rearranged(call: Call) -> Value | None:
    """Model of functions that copy, shuffle, map or join rows."""
    if call.function.functions:
        return None
    first = call.argument(0) or Value()
    candidates = [value for value in (call.receiver, *call.all_arguments()) if value is not None]
    rows = next((value for value in candidates if is_collection(value) and is_followed(value)), None)
    if call.last in _JOINS:
        parts = [first] if call.receiver is None or not is_collection(call.receiver) else [call.receiver, first]
        if call.last == "chain":
            parts = call.arguments
        elif not is_collection(first) and first.fields:
            parts = list(first.fields.values())
        return concatenated(parts) if any(map(choices.is_list, parts)) else None
    if call.last == "SubsetRandomSampler" and first is not None:
        return Value(names=frozenset(["torch.utils.data.SubsetRandomSampler()"]))
    columns = call.last in ("from_dict", "DataFrame") and not is_collection(first)
    if columns and any(map(is_collection, first.fields.values())):
        return collection(Value(fields={name: choices.column(part) for name, part in first.fields.items()}))
    if call.last == "from_generator" and first.functions:
        return call.invoke(first, [], dict(call.named.get("gen_kwargs", Value()).fields))
    if call.last == "Subset" and len(call.arguments) == 2 and is_collection(first):
        return _selected(call, first, call.arguments[1])
    if rows is None:
        if call.last in _SAME and choices.is_list(first) and not choices.is_list(call.receiver or Value()):
            return first
        return None
    if call.last in ("map", "apply", "flat_map", "map_rows") and rows is call.receiver:
        return _mapped(call, rows)
    if call.last == "shuffle" and rows is not call.receiver:
        rows.place = ANYWHERE
        return Value()
    if call.last == "train_test_split":
        ordered = literal(call.named.get("shuffle", Value())) is False
        part = choices.as_slice(rows) if ordered else replace(rows, fields=dict(rows.fields), place=ANYWHERE)
        names = ("train", "test") if rows is call.receiver else ("0", "1")
        return Value(fields=dict.fromkeys(names, part), truth=True)
    if call.last == "random_split":
        part = replace(rows, fields=dict(rows.fields), place=ANYWHERE)
        return Value(fields=dict.fromkeys("01", part))
    if call.last in _SHUFFLES:
        return replace(rows, fields=dict(rows.fields), place=ANYWHERE, total=None)
    if call.last in _MIXED:
        return replace(rows, fields=dict(rows.fields), place=ANYWHERE if rows.place == ANYWHERE else None)
    if call.last in ("iterrows", "items") and rows is call.receiver:
        return collection(Value(fields={"0": Value(), "1": rows.fields[UNKNOWN]}), rows.place, rows.total)
    if call.last == "class_encode_column":  # its numbers are not known
        row, name = rows.fields[UNKNOWN], literal(first)
        encoded = {key: Value(part.all()) if key == name else part for key, part in row.fields.items()}
        return replace(rows, fields={UNKNOWN: replace(row, fields=encoded)})
    if call.last in ("remove_columns", "select_columns"):
        return rows
    return replace(rows, fields=dict(rows.fields)) if call.last in _SAME else None


def _cell(values: Value) -> Value:
    """Return the value in the row that is followed, of the values of a batch."""
    if is_collection(values) or values.literal is not ... or not values.fields:
        return choices.column(values)
    parts = [literal(part) for part in values.fields.values()]
    same = UNKNOWN_VALUE not in parts and all(part == parts[0] for part in parts)
    return next(iter(values.fields.values())) if same else Value(values.all())


def _mapped(call: Call, rows: Value) -> Value | None:
    """Return rows to which a function was applied: its result replaces or adds columns."""
    function = call.argument(0, "function", "func") or Value()
    if not function.functions:
        return rows
    row, inner = rows.fields[UNKNOWN], _answer(call, function, rows)
    if call.named.get("batched", Value()).truth:
        empty = any(part.total == 0 or WITHOUT in part.names for part in inner.fields.values())
        if empty and not is_followed(inner):
            return choices.without_row(rows)
        inner = replace(inner, fields={name: _cell(part) for name, part in inner.fields.items()})
    if inner is row or not inner.fields:
        return collection(inner if inner.all() or inner.literal is not ... else row, rows.place, rows.total)
    merged = {**row.fields, **inner.fields} if call.last == "map" else inner.fields
    taints = row.taints | inner.taints
    return collection(Value(taints, fields=merged, closed=row.closed), rows.place, rows.total)

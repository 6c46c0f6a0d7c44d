"""Model of parsers, on the content of the file that is followed or on one of its lines."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace

import yaml

from posttrainbench.audit.behavior.call import Call
from posttrainbench.audit.behavior.concrete import LONGEST, literal, literal_value
from posttrainbench.audit.behavior.in_place import advance, once
from posttrainbench.audit.behavior.rows import DOCUMENT, HEADER, collection, is_collection
from posttrainbench.audit.behavior.values import UNKNOWN, Value, unclear

_TEXT_READS = frozenset("read readlines splitlines read_text decode strip".split())


def parsed(call: Call) -> Value | None:
    """Model of parsers, on the content of the file that is followed or on one of its lines."""
    first = call.argument(0) or Value()
    source = call.receiver if call.receiver is not None and DOCUMENT in call.receiver.fields else first
    if call.last in ("loads", "load", "safe_load", "parse", "decode", "read_json", "read_csv", "DictReader", "Reader"):
        known = literal(first)
        if call.last in ("loads", "parse", "decode", "load", "safe_load") and isinstance(known, str | bytes):
            return _of_text(call.function.names, known, first)
        if DOCUMENT in first.fields:
            return first.fields[DOCUMENT]
        return replace(first, texts=frozenset(), names=frozenset()) if is_collection(first) else None
    if call.last == "reader" and DOCUMENT in first.fields and is_collection(first.fields[DOCUMENT]):
        row = first.fields[DOCUMENT].fields[UNKNOWN]
        fields = {str(number): part for number, part in enumerate(row.fields.values())}
        rows = collection(Value(fields=fields, closed=True))
        rows.fields[HEADER] = Value(literal=list(row.fields), truth=True)
        return rows
    if call.last == "next" and HEADER in first.fields and not call.context.loops:
        return first.fields.pop(HEADER)
    if DOCUMENT in source.fields:
        if call.last in _TEXT_READS or (call.last == "split" and literal(first) == "\n"):
            return source
        if call.last in ("next", "readline") and is_collection(source):
            inner = source.fields[UNKNOWN]
            document = source.fields[DOCUMENT]
            advance(source, 1, certain=once(call))
            if is_collection(document):
                advance(document, 1, certain=once(call))
            source.fields[DOCUMENT] = document
            return Value(unclear(inner).all() if call.last == "next" else inner.all())
    return None


def _of_text(names: frozenset[str], text: str | bytes, source: Value) -> Value | None:
    """Return what a parser makes of a known text."""
    try:
        if not any(name.startswith(("yaml.", "ruamel.", "tomllib.", "toml.", "tomli.")) for name in names):
            return literal_value(json.loads(text), source.all())
        if not isinstance(text, str) or len(text) > LONGEST or "&" in text:  # references may repeat parts
            return None
        toml = any(name.startswith("toml") for name in names)
        return literal_value(tomllib.loads(text) if toml else yaml.safe_load(text), source.all())
    except (ValueError, RecursionError, yaml.YAMLError):
        return None

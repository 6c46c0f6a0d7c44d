"""Models of databases, of SQL over files, and of programs that are run from a text."""

from __future__ import annotations

import base64
import re
import shlex
from dataclasses import replace
from fnmatch import fnmatchcase

from posttrainbench.audit.behavior.call import Call, texts_of
from posttrainbench.audit.behavior.concrete import UNKNOWN_VALUE, dictionary, literal
from posttrainbench.audit.behavior.library_models.configuration import CONTENT
from posttrainbench.audit.behavior.rows import collection
from posttrainbench.audit.behavior.selection import query_keeps_training_rows, without_test_data
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Taints, Value, text_value, unclear

_USER_FUNCTIONS = frozenset("create_function create_aggregate create_window_function create_collation".split())
_CHANGED = "a changed database"
_TABLES = "tables"
"""Field of a connection to a database that holds nothing before: the tables that this program makes."""
_CHANGED_TABLE = re.compile(
    r"""\s*(create\s+(?:temp\w*\s+)?(?:table|view)(?:\s+if\s+not\s+exists)?|(?:insert|replace)(?:\s+or\s+\w+)?\s+into)"""
    r"""\s+["'`\[]?([\w\x00]+)""",
    re.IGNORECASE,
)
_READ_TABLE = re.compile(r"""\b(?:from|join)\s+["'`\[]?([\w.]+)""", re.IGNORECASE)
_MEMORY = "rows in memory"
"""Field of a connection to a database that is not in a file."""
_FILE = re.compile(r"""['"]([^'"\s]{1,300}/[^'"\s]{1,300}|[^'"\s]{1,300}\.(?:jsonl?|csv|parquet|arrow|db))['"]""")
_CHANGES = re.compile(r"\s*(insert|create|update|delete|drop|alter|pragma|begin|commit|replace)\b", re.IGNORECASE)


def databases(call: Call) -> Value | None:
    """Model of connections and queries: rows that one program stores are those that another one reads."""
    if call.is_in("connects"):
        texts = (call.argument(0, "database") or Value()).texts
        paths = frozenset(text.removeprefix("sqlite:///") for text in texts if text != ":memory:")
        is_new = not any(call.files.written(call.files.resolve(path, call.context.cwd)) for path in paths)
        fields = {_TABLES: Value()} if is_new else {}
        return Value(
            texts=paths, names=frozenset(["database"]), handles=frozenset((p, True) for p in paths), fields=fields
        )
    values = [value for value in (call.receiver, *call.all_arguments()) if value is not None]
    database = next((value for value in values if "database" in value.names), None)
    if call.last in _USER_FUNCTIONS and call.context.world is not None:
        call.context.world.opaque = True
    if call.last in ("cursor", "commit", "begin") and database is not None:
        return database
    if call.last == "to_sql" and database is not None and call.receiver is not None:
        call.write_handles(database, call.receiver.all())
        return Value()
    if not call.is_in("queries") or call.function.functions:
        return None
    if call.context.world is not None:
        return _followed_query(call, database)
    stored = [value for value in call.arguments[1:] if value is not database]
    taints = NONE.union(*(value.all() for value in stored))
    tables = database.fields.get(_TABLES) if database is not None else None
    chosen = _of_tables(tables, call, taints) if tables is not None else None
    if database is not None:
        call.write_handles(database, taints)
        taints |= call.read(database) if database.handles else database.fields.setdefault(_MEMORY, Value()).taints
        if not database.handles:
            database.fields[_MEMORY].taints |= taints
    taints = taints if chosen is None else chosen
    for text in sorted((call.argument(0, "sql", "query") or Value()).texts):
        for path in _FILE.findall(text):
            taints |= call.read(text_value(path))
    if database is None and not taints:
        return None
    result = Value(taints, names=database.names if database is not None else frozenset(), whole=True)
    parameters = tuple(texts_of(call.argument(1, "params", "parameters")))
    queries = (call.argument(0, "sql", "query") or Value()).texts
    if queries and all(query_keeps_training_rows(query, parameters) for query in queries):
        result = replace(result, taints=without_test_data(result).taints)
    if database is not None and not any(_CHANGES.match(query) for query in queries):
        database.taints = result.taints  # of a cursor, from which they are fetched
    return result


def _of_tables(tables: Value, call: Call, stored: Taints) -> Taints | None:
    """Record what a statement stores in tables that this program makes, and return what it reads from them.

    Returns:
        None if the statement changes tables, or if it is not known what is in a table that it reads.
    """
    queries = (call.argument(0, "sql", "query") or Value()).texts
    found: Taints = NONE
    for query in queries:
        changed = _CHANGED_TABLE.match(query)
        read = [name.lower() for name in _READ_TABLE.findall(query)]
        known = {name: part.taints for name, part in tables.fields.items()}
        parts = [taints for one in read for name, taints in known.items() if fnmatchcase(one, name)]
        complete = all(any(fnmatchcase(one, name) for name in known) for one in read)
        if changed is not None:
            rows = NONE.union(stored, *(parts if complete else [*known.values()]))
            name = changed[2].lower().replace(UNKNOWN, "*")
            old = tables.fields.get(name)
            if old is not None or changed[1].lower().startswith("create"):
                tables.fields[name] = Value(rows | (old.taints if old is not None else NONE))
            continue
        if not read or not complete:
            return None
        found = found.union(*parts)
    return found if queries and not any(map(_CHANGES.match, queries)) else None


def _followed_query(call: Call, database: Value | None) -> Value | None:
    """Return the result of a query where one row is followed: it is computed if its text is known."""
    world = call.context.world
    query = literal(call.argument(0, "sql", "query") or Value())
    given = call.argument(1, "params", "parameters")
    parameters = literal(given) if given is not None and given is not database else ()
    if given is not None and parameters is UNKNOWN_VALUE:
        parameters = dictionary(given) or UNKNOWN_VALUE
    if database is not None and given is database:
        parameters = ()
    if database is None and not isinstance(query, str):
        return None
    text = query if isinstance(query, str) else ""
    places = sorted((database or Value()).texts) or _FILE.findall(text)[:1]
    if not places:
        return None
    taints = call.read(text_value(places[0]))
    if database is not None and _CHANGES.match(text):
        if re.match(r"\s*(update|delete|replace|insert)\b", text, re.IGNORECASE):
            database.names |= {_CHANGED}
        stored = [value for value in call.arguments[1:] if value is not database]
        call.write_handles(database, NONE.union(*(value.all() for value in stored)))
        return database
    result = None
    if world is not None and text and parameters is not UNKNOWN_VALUE:
        parameters = tuple(parameters) if isinstance(parameters, list) else parameters
        result = world.query(call.files.resolve(places[0], call.context.cwd), text, parameters, taints)
    if result is None or (database is not None and _CHANGED in database.names):
        result = unclear(collection(Value(taints))) if taints else Value()
    if database is not None:
        result.names = database.names
        database.fields, database.place, database.total = result.fields, result.place, result.total
    return result


def programs(call: Call) -> Value | None:
    """Model of programs that are run from a text or by their path."""
    first = call.argument(0) or Value()
    if call.is_named(frozenset(("runpy.run_path", "runpy.run_module"))):
        for text in sorted(first.texts)[:2]:
            call.shell(shlex.join(["python", text] if call.last == "run_path" else ["python", "-m", text]), "")
        return Value()
    if call.is_named(frozenset(("exec", "compile"))) and first.texts | first.names:
        if call.last == "compile":
            return first
        paths = {name.removeprefix(CONTENT) for name in first.names if name.startswith(CONTENT)}
        for path in sorted(first.texts if "file" in first.names else paths)[:2]:
            call.shell(shlex.join(["python", path]), "")
        for text in sorted(first.texts)[:2] if "file" not in first.names and not paths else ():
            call.shell(shlex.join(["python", "-c", text]), "")
        return Value()
    if call.last in ("b64decode", "standard_b64decode", "urlsafe_b64decode") and first.texts:
        return Value(first.all(), frozenset(_decoded(text) for text in first.texts))
    return None


def _decoded(text: str) -> str:
    try:
        return base64.b64decode(text, validate=False).decode()
    except ValueError:
        return ""

"""Values of an SQLite database that are longer than a page, which the file holds in pieces.

Shorter values stand in the file as they are and are searched there. A damaged database has no such values, and one that
is larger than `LARGEST` is not parsed.
"""

import sqlite3
from contextlib import closing

MAGIC = b"SQLite format 3\0"
LARGEST = 2**26
"""Largest file that is parsed, in bytes."""
SHORTEST = 256
"""Smallest value, in bytes, that may not fit into a page of the smallest size."""
_MOST_STEPS = 100_000
"""Thousands of instructions for all tables."""
_READS = frozenset((sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION))
_TABLES = "select name from sqlite_master where type = 'table' and rootpage > 0"


def long_values(data: bytes) -> list[bytes] | None:
    """Return the long texts and binary values of all tables; None if they cannot be read completely.

    Nothing of the database is changed or executed.
    """
    found: list[bytes] = []
    steps = 0

    def is_too_long() -> bool:
        nonlocal steps
        steps += 1
        return steps > _MOST_STEPS

    with closing(sqlite3.connect(":memory:")) as base:
        base.text_factory = bytes
        try:
            base.deserialize(data[:18] + b"\1\1" + data[20:])  # not the mode with a log, which needs more files
            base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LARGEST)
            base.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in _READS else sqlite3.SQLITE_DENY)
            base.set_progress_handler(is_too_long, 1000)
            for (table,) in base.execute(_TABLES).fetchall():
                quoted = table.decode().replace('"', '""')
                for row in base.execute(f'select * from "{quoted}"'):  # noqa: S608 - quoted, and it can only read
                    found += (one for one in row if isinstance(one, bytes) and len(one) >= SHORTEST)
        except (sqlite3.Error, ValueError, OverflowError, MemoryError):
            return None
    return found

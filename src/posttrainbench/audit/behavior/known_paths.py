"""Directories whose files are known from the record: what a program finds in them, where one row is followed.

Which files were there is not on record, only which paths any program used, and which of them this program opened. The
files of a directory are known as a set if the program opened each path that may have been there.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from posttrainbench.audit.behavior.concrete import literal, literal_value
from posttrainbench.audit.behavior.known_lists import MOST_ELEMENTS, SOME, UNORDERED, listed
from posttrainbench.audit.behavior.per_file_taint import fits
from posttrainbench.audit.behavior.values import NONE, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from posttrainbench.audit.behavior.call import Call

PATHS_PER_STEP = 20
"""Paths that are compared with a pattern in about the time of one step."""
_EXISTS = frozenset("exists isfile is_file isdir is_dir".split())
_SPLITS = {
    split: re.compile(rf"(?<![a-z])({words})(?![a-z])", re.IGNORECASE)
    for split, words in (
        ("train", "train|training"),
        ("validation", "validation|valid|val|dev"),
        ("test", "test|testing|eval|evaluation"),
    )
}
_DATA = re.compile(r"\.(jsonl|json|csv|tsv|parquet|arrow|txt)(\.gz)?$", re.IGNORECASE)
_CARD = re.compile(r"(^|/)(README\.md|[\w-]+\.(py|ya?ml))$", re.IGNORECASE)
"""Files that may say which files belong to which split."""


WALK = "folders of a walk"
"""Name of what `os.walk` gives: the folders that it goes to depend on what the program does with its lists."""


def known_paths(call: Call) -> Value | None:
    """Model of functions that list files or ask for them; None for others."""
    world = call.context.world
    if world is None or call.function.functions:
        return None
    name = min(call.function.names, default="")
    owner = literal(call.receiver) if call.receiver is not None else None
    first = literal(call.argument(0) or Value())
    if call.last in _EXISTS:
        text = str(owner) if isinstance(owner, PurePosixPath) else first
        if isinstance(text, str | PurePosixPath) and _place(call, str(text)) in world.opened:
            return literal_value(True, NONE)
        return None
    if world.paths is None:
        return None
    if name in ("glob.glob", "glob.iglob") and isinstance(first, str) and len(call.arguments) + len(call.named) == 1:
        return _matching(call, first, str)
    if call.last in ("glob", "rglob") and isinstance(owner, PurePosixPath) and isinstance(first, str):
        pattern = f"**/{first}" if call.last == "rglob" else first
        return _matching(call, str(owner / pattern), PurePosixPath)
    if name == "os.walk" and isinstance(first, str | PurePosixPath) and len(call.arguments) + len(call.named) == 1:
        return _walked(call, str(first))
    if name in ("os.listdir", "os.scandir") or (call.last == "iterdir" and isinstance(owner, PurePosixPath)):
        folder = str(owner) if isinstance(owner, PurePosixPath) else str(first) if call.arguments else "."
        if call.arguments and not isinstance(first, str | PurePosixPath):
            return None
        found = _matching(call, f"{folder}/*", PurePosixPath, folders=True)
        parts = found.fields if found is not None else {}
        if found is None or name != "os.listdir":
            return found
        return listed([literal_value(part.literal.name, NONE) for part in parts.values()], found.names)
    return None


def split_files(call: Call, folder: str) -> dict[str, list[str]] | None:
    """Return the files that `load_dataset` takes for each split of a directory, by their names; None if unknown."""
    world = call.context.world
    start = f"{_place(call, folder).rstrip('/')}/"
    call.context.steps += len((world.paths if world is not None else None) or ()) // PATHS_PER_STEP
    below = [path for path in (world.paths if world is not None else None) or () if path.startswith(start)]
    found: dict[str, list[str]] = {}
    for path in sorted(below):
        inside = path.removeprefix(start)
        kinds = [split for split, word in _SPLITS.items() if word.search(inside)]
        if _CARD.search(inside) or len(kinds) > 1:
            return None
        if _DATA.search(inside) and kinds:
            found.setdefault(kinds[0], []).append(f"{folder.rstrip('/')}/{inside}")
    return found or None


def _place(call: Call, path: str) -> str:
    return call.files.resolve(path, call.context.cwd)


def _matching(
    call: Call, pattern: str, made: Callable[[str], str | PurePosixPath], *, folders: bool = False
) -> Value | None:
    """Return the files that match a pattern, as the program names them."""
    world = call.context.world
    plain: list[str] = []
    for part in pattern.split("/"):
        if any(letter in part for letter in "*?["):
            break
        plain.append(part)
    folder = "/".join(plain) or ("/" if pattern.startswith("/") else ".")
    rest = "/".join(pattern.split("/")[len(plain) :])
    place = _place(call, folder)
    start = "" if place == "." else f"{place.rstrip('/')}/"
    if world is None or world.paths is None or "\x00" in place or not rest:
        return None
    call.context.steps += len(world.paths) // PATHS_PER_STEP
    found: dict[str, bool] = {}
    for path in sorted(path for path in world.paths if path.startswith(start) and not (not start and path[:1] == "/")):
        inside = path[len(start) :]
        inside = inside.partition("/")[0] if folders else inside
        if fits(inside, rest):
            found[inside] = found.get(inside, False) or path in world.opened
    if not found or len(found) > MOST_ELEMENTS:
        return None
    if len(found) > 1:
        world.listed |= {start + inside for inside in found}
    names = [inside if folder == "." else f"{folder.rstrip('/')}/{inside}" for inside in found]
    marks = frozenset([UNORDERED] if all(found.values()) else [UNORDERED, SOME])
    return listed([literal_value(made(one), NONE) for one in names], marks)


def _walked(call: Call, top: str) -> Value | None:
    """Return the folders below one, each with the names of its folders and files."""
    found = _matching(call, f"{top}/**/*", PurePosixPath)
    below: dict[str, tuple[set[str], set[str]]] = {}
    for part in found.fields.values() if found is not None else ():
        path = part.literal
        below.setdefault(str(path.parent), (set(), set()))[1].add(path.name)
        for inner in list(path.parents)[:-1]:
            below.setdefault(str(inner.parent), (set(), set()))[0].add(inner.name)
    if found is None:
        return None
    marks = found.names | {UNORDERED} if len(found.fields) > 1 else found.names
    names = {
        folder: [[literal_value(one, NONE) for one in sorted(kind)] for kind in parts]
        for folder, parts in below.items()
    }
    return _named(
        [
            listed([literal_value(folder, NONE), *(listed(kind, marks) for kind in kinds)])
            for folder, kinds in names.items()
            if PurePosixPath(folder).is_relative_to(top)
        ],
        marks,
    )


def _named(parts: list[Value], marks: frozenset[str]) -> Value:
    found = listed(parts, marks)
    found.names |= {WALK}
    return found

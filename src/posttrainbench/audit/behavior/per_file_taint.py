"""Per-file taints: every file is a taint source of its own."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase, translate
from pathlib import PurePosixPath

from typing_extensions import override

from posttrainbench.audit.behavior.state import REMOTE, Files
from posttrainbench.audit.behavior.values import FILE, UNKNOWN, Taint, Taints, Value, unclear

MOST_PATTERNS = 200
UNCERTAIN = re.compile(f"[*?{re.escape(UNKNOWN)}]")


def fits(name: str, pattern: str) -> bool:
    """Return True if a `glob` pattern matches a path: `*` matches within a directory, `**` across directories."""
    if "**" in pattern:
        return fnmatchcase(name, pattern.replace("**/", "*"))
    parts, patterns = name.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatchcase, parts, patterns))


class Places:
    """Files that may be one of `places`: with the same name, inside such a directory, or matching a pattern.

    A place in `exact` is a file that was opened under this path, so it does not stand for others of the same name.
    """

    def __init__(self, places: Collection[str], exact: Collection[str] = ()) -> None:
        self.places = places
        self.names = {place.rsplit("/", 1)[-1] for place in places if place not in exact}
        self.above = {str(one) for place in places for one in PurePosixPath(place).parents}
        wild = [place for place in places if UNCERTAIN.search(place)]
        self.all = len(wild) > MOST_PATTERNS or "." in places
        self.wild = re.compile(
            "|".join(translate(place.replace(UNKNOWN, "*")) for place in wild[:MOST_PATTERNS]) or "(?!)"
        )

    def __contains__(self, name: str) -> bool:
        path = PurePosixPath(name)
        return (
            self.all
            or name in self.places
            or path.name in self.names
            or any(str(one) in self.places for one in path.parents)
            or bool(self.wild.match(name))
        )


@dataclass
class SourceFiles(Files):
    """An abstract file system in which every file is a taint source.

    Attributes:
        lost: paths whose content was written to an unknown file.
        opened: paths that scripts and commands read.
        reading: True while a script reads a file.
    """

    lost: set[str] = field(default_factory=set)
    opened: set[str] = field(default_factory=set)
    reading: bool = False

    @override
    def read(self, path: str, script: str, line: int, cwd: str = "", *, trains: bool = False) -> Taints:
        self.opened.add(self.resolve(path, cwd))
        self.reading = True
        try:
            return super().read(path, script, line, cwd, trains=trains)
        finally:
            self.reading = False

    @override
    def written(self, resolved: str, *, trains: bool = False) -> Taints:
        taints = super().written(resolved, trains=trains)
        if self.world is not None:
            taints = unclear(Value(taints)).taints  # unless the file's rows are known
            if not self.world.may_be(resolved):
                return taints
        if resolved.startswith("hub:"):
            return taints | {Taint("test", f"{FILE}{resolved}", "", 0)}
        if not resolved or resolved.startswith(REMOTE):
            return taints
        # Loading a data set by the name of a directory reads all of its files.
        places = [resolved] if self.reading else [resolved, f"{resolved}/**"]
        sure = UNKNOWN not in resolved and resolved != "."
        return taints | {Taint("test", f"{FILE}{one}", "", 0, sure=sure, mixed=True) for one in places}

    @override
    def write(self, path: str, taints: Taints, cwd: str = "", *, append: bool = False) -> None:
        place = self.resolve(path, cwd)
        if UNKNOWN in place:
            self.lost |= places_of(taints)
        super().write(path, taints, cwd, append=append)


def places_of(taints: Taints) -> set[str]:
    """Return the files that these taints stand for."""
    return {taint.what.removeprefix(FILE) for taint in taints if taint.what.startswith(FILE)}

"""Files as sources of their own: what is read from one is of that file."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from fnmatch import fnmatchcase, translate
from pathlib import PurePosixPath

from posttrainbench.audit.conduct.state import Files
from posttrainbench.audit.conduct.values import UNKNOWN, Taint, Taints

MOST_PATTERNS = 200
UNCERTAIN = re.compile(f"[*?{re.escape(UNKNOWN)}]")
_MARK = "file "
_REMOTE = ("hub:", "hf://", "http://", "https://", "s3://")
_PROGRAMS = (".py", ".sh", ".bash", ".ipynb", ".yaml", ".yml", ".toml")


def fits(name: str, pattern: str) -> bool:
    """Whether a pattern of `glob` is one of this file: `*` stays within a directory, `**` does not."""
    if "**" in pattern:
        return fnmatchcase(name, pattern.replace("**/", "*"))
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))


class Places:
    """Files that may be one of these: the same name in any directory, what is in a directory, what fits a pattern."""

    def __init__(self, places: Collection[str]) -> None:
        self.places = places
        self.names = {place.rsplit("/", 1)[-1] for place in places}
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
            or path.name in self.names
            or any(str(one) in self.places for one in path.parents)
            or bool(self.wild.match(name))
        )


@dataclass
class SourceFiles(Files):
    """Files that are sources of their own.

    Attributes:
        asked: (script, line) of what was read, its name known.
        blind: the same, its name not known.
        readers: (script, place) of what was read; "" where the script is not known.
        lost: places whose content was written where nobody knows.
        rewritten: programs that were written by others, so that their text is not known.
    """

    asked: set[tuple[str, int]] = field(default_factory=set)
    blind: set[tuple[str, int]] = field(default_factory=set)
    readers: set[tuple[str, str]] = field(default_factory=set)
    lost: set[str] = field(default_factory=set)
    rewritten: set[str] = field(default_factory=set)
    reading: bool = False

    def read(self, path: str, script: str, line: int, cwd: str = "") -> Taints:
        """See `Files.read`."""
        place = self.place(path, cwd)
        (self.blind if UNKNOWN in place else self.asked).add((script, line))
        self.readers.add((script, place))
        self.reading = True
        try:
            return super().read(path, script, line, cwd)
        finally:
            self.reading = False

    def written(self, place: str) -> Taints:
        """See `Files.written`."""
        found = super().written(place)
        if not place or place.startswith(_REMOTE):
            return found
        # A data set that is loaded by the name of a directory takes all of its files.
        places = [place] if self.reading else [place, f"{place}/**"]
        if not self.reading:
            self.readers.add(("", place))
        sure = UNKNOWN not in place and place != "."
        return found | {Taint("test", f"{_MARK}{one}", "", 0, sure=sure) for one in places}

    def write(self, path: str, taints: Taints, cwd: str = "", *, append: bool = False) -> None:
        """See `Files.write`."""
        place = self.place(path, cwd)
        if UNKNOWN in place:
            self.lost |= places_of(taints)
        if place.endswith(_PROGRAMS):
            self.rewritten.add(place)
        super().write(path, taints, cwd, append=append)


def places_of(taints: Taints) -> set[str]:
    """The files that these are of."""
    return {taint.what.removeprefix(_MARK) for taint in taints if taint.what.startswith(_MARK)}

"""Abstract file system that tracks the provenance of every file of the sandbox."""

import posixpath
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from posttrainbench.audit.behavior.rows import World
from posttrainbench.audit.behavior.test_sets import TestData
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Taint, Taints, mixed, unsure
from posttrainbench.audit.split_names import HELD_OUT

REMOTE = ("hub:", "hf://", "http://", "https://", "s3://")
"""Beginnings of paths that are not on this machine."""

MOST_FILES = 20_000
MOST_MATCHES = 50
"""Known files that match one pattern."""
SHORTEST_PATTERN = 4
"""Known characters of a pattern that names no folder."""
_CALLED_HELD_OUT = re.compile(rf"(^|[._-])({HELD_OUT}|predict\w*|log|result)s?([._-]|$)")
_VARIABLE = re.compile(r"\$\{?\w+\}?|\$\(.*?\)|%\w|\{\w*\}")


def _overlap(name: str, pattern: str) -> bool:
    """Return True if one path may match a name with unknown parts and a pattern, in which `*` is any text."""
    first, second = (
        re.sub(r"\*+", "*", text.replace(UNKNOWN, "*").replace("**/", "*"))[:200] for text in (name, pattern)
    )
    row = [True] + [False] * len(second)
    for index, letter in enumerate(second, 1):
        row[index] = row[index - 1] and letter == "*"
    for letter in first:
        before, row = row, [row[0] and letter == "*"] + [False] * len(second)
        for index, other in enumerate(second, 1):
            skips = (letter == "*" and (before[index] or row[index - 1])) or (
                other == "*" and (before[index] or row[index - 1])
            )
            row[index] = skips or (before[index - 1] and (letter == other or "?" in (letter, other)))
    return row[-1]


@dataclass
class Files:
    """Taints of files. Paths are relative to the workspace; those outside it are absolute.

    Attributes:
        test_data: recognizes test data by its name.
        workspace: absolute paths of the workspace, as the agent and the run directory name it.
        variables: environment variables that are expanded in paths.
        taints: path -> taints of its content; a directory's are those of data written to it as a whole.
        parts: path -> key -> taints, for files that hold one dictionary.
        aliases: directory -> the directory or address of which it is a copy.
        weak: True if writes may not be executed: they add to existing content instead of replacing it.
        stored: taints of what was written, other than to files that are called held out.
        frozen: True while writes have no effect: code is interpreted that may never be executed.
        version: incremented at each change, so that nothing is analyzed twice in the same state.
        world: the row of a file that is followed, if any.
        recorded: data files that the program opened, if its record is known.
    """

    test_data: TestData
    workspace: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    taints: dict[str, Taints] = field(default_factory=dict)
    parts: dict[str, dict[str, Taints]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    stored: Taints = NONE
    frozen: bool = False
    weak: bool = False
    version: int = 0
    world: World | None = None
    recorded: frozenset[str] = frozenset()

    def resolve(self, path: str, cwd: str = "") -> str:
        """Return the canonical form of a path; unknown parts become `UNKNOWN`."""
        path = path.removeprefix("file://")
        if path.startswith(REMOTE):
            return path
        for name, value in self.variables.items():
            path = path.replace(f"${{{name}}}", value).replace(f"${name}", value)
        path = _VARIABLE.sub(UNKNOWN, path)
        path = (
            path.replace("~", f"{self.workspace[0] if self.workspace else UNKNOWN}/.home", 1)
            if path[:1] == "~"
            else path
        )
        if path.startswith(UNKNOWN):
            return UNKNOWN + path.lstrip(UNKNOWN) if "/" in path else path
        whole = posixpath.normpath(posixpath.join(cwd, path))
        for prefix in self.workspace:
            if whole == prefix:
                return "."
            if whole.startswith(f"{prefix}/"):
                return whole[len(prefix) + 1 :]
        return whole

    def read(self, path: str, script: str, line: int, cwd: str = "", *, trains: bool = False) -> Taints:
        """Return the taints of a file: those written to it, and a new one if its name is that of test data.

        Args:
            path: the file or directory.
            script: label of the script that reads it.
            line: line of that script.
            cwd: the working directory.
            trains: True if it is training data: of a directory, files that are called held out are not read.
        """
        resolved = self.resolve(path, cwd)
        taints = mixed(self.written(resolved, trains=trains))
        for name in {resolved, self._original(resolved)}:
            if (match := self.test_data.path(name)) is not None:
                taints |= {Taint("test", match[0], script, line, sure=match[1])}
        return taints

    def matching(self, pattern: str, cwd: str, others: Iterable[str] = ()) -> list[str]:
        """Return the known paths that match a pattern: of tainted files, of test data in the kit, and of `others`."""
        resolved = self.resolve(pattern, cwd)
        known = [*self.taints, *others, *(f"{kit}/data/test.jsonl" for kit in self.test_data.kits)]
        depth, folder = resolved.count("/"), pattern.rpartition("/")[0]
        is_simple = not re.search(r"[*?\[]", folder)
        found: dict[str, None] = {}
        for name in known:
            if name.count("/") == depth and UNKNOWN not in name and "*" not in name and fnmatchcase(name, resolved):
                inside = name.rpartition("/")[2]
                found[(f"{folder}/{inside}" if folder else inside) if is_simple else self.absolute(name)] = None
        return list(found)[:MOST_MATCHES]

    def inside(self, folder: str, cwd: str = "") -> list[str]:
        """Return the known tainted files below a folder, relative to it."""
        resolved = self.resolve(folder, cwd)
        prefix = "" if resolved == "." else f"{resolved}/"
        names = [name.removeprefix(prefix) for name in self.taints if name.startswith(prefix)]
        return [name for name in names if UNKNOWN not in name and not name.startswith(("/", *REMOTE))][:MOST_MATCHES]

    def absolute(self, resolved: str) -> str:
        """Return a path that does not depend on the working directory."""
        return f"{self.workspace[0]}/{resolved}" if self.workspace and not resolved.startswith("/") else resolved

    def alias(self, path: str, source: str, cwd: str = "") -> None:
        """Record that a path is a copy of a directory or of a repository's files."""
        resolved, original = self.resolve(path, cwd), self.resolve(source, cwd)
        original = self._original(original)
        kits = self.test_data.kits
        is_kit = any(original == kit or original.startswith(f"{kit}/") for kit in kits)
        if (is_kit or original.startswith(("hf://", "http"))) and len(self.aliases) < 1000:
            self.aliases[resolved] = original

    def _original(self, resolved: str) -> str:
        for folder, source in self.aliases.items():
            if resolved == folder or resolved.startswith(f"{folder}/"):
                return source + resolved[len(folder) :]
        return resolved

    def written(self, resolved: str, *, trains: bool = False) -> Taints:
        """Return the taints written to a path, to a directory above it, or below it if it is a directory."""
        if not self.taints or resolved in (UNKNOWN, ""):
            return NONE
        result = self.taints.get(resolved, NONE)
        if not result:
            above = resolved
            while "/" in above:  # a directory that was written as a whole
                above = above.rsplit("/", 1)[0]
                if above and above in self.taints:
                    return self.taints[above]
        if "*" in resolved or "?" in resolved or UNKNOWN in resolved:
            pattern = resolved.replace(UNKNOWN, "*")
            if len(pattern.strip("*/. ")) >= SHORTEST_PATTERN or re.match(r"[^*/.][^*/]*/", pattern):
                for other, taints in self.taints.items():
                    if UNKNOWN in other and _overlap(other, pattern):
                        result |= taints
                    elif fnmatchcase(other, pattern):
                        # It is unknown which matching files are read, unless only a directory is unknown.
                        result |= taints if "*" not in resolved and "?" not in resolved else unsure(taints)
            return result
        inside = f"{resolved}/" if resolved != "." else ""
        if "." not in resolved.rsplit("/", 1)[-1] or resolved == ".":
            for other, taints in self.taints.items():  # reading a directory
                left_out = trains and _CALLED_HELD_OUT.search(other.rpartition("/")[2])
                if inside and other.startswith(inside) and not left_out:
                    result |= unsure(taints)
        for other, taints in self.taints.items():  # written under a partly unknown name
            if UNKNOWN in other and fnmatchcase(resolved, other.replace(UNKNOWN, "*")):
                result |= taints
        return result

    def write(self, path: str, taints: Taints, cwd: str = "", *, append: bool = False) -> None:
        """Write data with these taints to a path."""
        if self.frozen:
            return
        resolved = self.resolve(path, cwd)
        self.store(taints, resolved)
        if resolved in (UNKNOWN, "", ".", "/dev/null") or resolved.endswith(f"/{UNKNOWN}"):
            return
        self.parts.pop(resolved, None)
        if not append and not self.weak:
            self.aliases.pop(resolved, None)
        old = self.taints.get(resolved, NONE)
        new = old | taints if append or self.weak or UNKNOWN in resolved or "*" in resolved else taints
        if new == old:
            return
        if new and (old or len(self.taints) < MOST_FILES):
            self.taints[resolved] = new
        elif not new:
            self.taints.pop(resolved, None)
        self.version += 1

    def store(self, taints: Taints, path: str) -> None:
        """Record what is written to a path, which may be unknown."""
        if taints and not _CALLED_HELD_OUT.search(path.rpartition("/")[2]):
            self.stored |= taints

    def keep_parts(self, path: str, parts: dict[str, Taints], cwd: str = "") -> None:
        """Record the taints by key of a dictionary that was just written to a path."""
        resolved = self.resolve(path, cwd)
        if self.taints.get(resolved, NONE) == frozenset().union(*parts.values()) and len(self.parts) < MOST_FILES:
            self.parts[resolved] = parts

    def parts_of(self, path: str, cwd: str = "") -> dict[str, Taints]:
        """Return the taints by key of a file that holds one dictionary; {} for any other."""
        return self.parts.get(self.resolve(path, cwd), {})

    def remove(self, path: str, cwd: str = "") -> None:
        """Remove a file or directory."""
        resolved = self.resolve(path, cwd)
        if self.weak or UNKNOWN in resolved or "*" in resolved:
            return
        for other in [name for name in self.taints if name == resolved or name.startswith(f"{resolved}/")]:
            del self.taints[other]
            self.version += 1

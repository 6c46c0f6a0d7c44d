"""The files of the sandbox, as far as it matters where their content came from."""

import posixpath
import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from posttrainbench.audit.conduct.test_sets import TestData
from posttrainbench.audit.conduct.values import NONE, UNKNOWN, Taint, Taints, unsure

MOST_FILES = 20_000
_VARIABLE = re.compile(r"\$\{?\w+\}?|\$\(.*?\)|%\w|\{\w*\}")


@dataclass
class Files:
    """Where files came from. Paths are relative to the workspace, absolute outside of it.

    Attributes:
        test_data: what is test data by its name.
        workspace: prefixes of absolute paths under which the agent sees its workspace.
        home: of `~`.
        taints: path -> where its content came from; directories hold what was written into them as a whole.
        parts: path -> key -> where what stands under that key came from, for files that hold one dictionary.
        aliases: directory -> the directory or address that it is a copy of.
        weak: what is written may not have been: it comes beside what was there.
        version: rises with each change, so that nobody looks at the same thing twice.
    """

    test_data: TestData
    workspace: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    taints: dict[str, Taints] = field(default_factory=dict)
    parts: dict[str, dict[str, Taints]] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    weak: bool = False
    version: int = 0

    def place(self, path: str, cwd: str = "") -> str:
        """A path in its one form; what is not known of it becomes `UNKNOWN`."""
        path = path.removeprefix("file://")
        if path.startswith(("hub:", "hf://", "http://", "https://", "s3://")):
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

    def read(self, path: str, script: str, line: int, cwd: str = "") -> Taints:
        """Where what is read from a path came from: test data by its name, or what was written there."""
        place = self.place(path, cwd)
        found = self.written(place)
        for name in {place, self._original(place)}:
            if (named := self.test_data.path(name)) is not None:
                found |= {Taint("test", named[0], script, line, sure=named[1])}
        return found

    def alias(self, path: str, source: str, cwd: str = "") -> None:
        """A path holds a copy of a directory, or of a repository's files."""
        place, original = self.place(path, cwd), self.place(source, cwd)
        original = self._original(original)
        kits = self.test_data.kits
        is_kit = any(original == kit or original.startswith(f"{kit}/") for kit in kits)
        if (is_kit or original.startswith(("hf://", "http"))) and len(self.aliases) < 1000:
            self.aliases[place] = original

    def _original(self, place: str) -> str:
        for folder, source in self.aliases.items():
            if place == folder or place.startswith(f"{folder}/"):
                return source + place[len(folder) :]
        return place

    def written(self, place: str) -> Taints:
        """Where the content of a path came from, by what was written."""
        if not self.taints or place in (UNKNOWN, ""):
            return NONE
        found = self.taints.get(place, NONE)
        if not found:
            above = place
            while "/" in above:  # a directory that was copied as a whole
                above = above.rsplit("/", 1)[0]
                if above and above in self.taints:
                    return self.taints[above]
        if "*" in place or "?" in place or UNKNOWN in place:
            pattern = place.replace(UNKNOWN, "*")
            if len(pattern.strip("*/. ")) >= 4:
                for other, taints in self.taints.items():
                    if fnmatchcase(other, pattern):
                        # Which of the files that fit are read is not known, unless only a directory is not.
                        found |= taints if "*" not in place and "?" not in place else unsure(taints)
            return found
        inside = f"{place}/" if place != "." else ""
        if "." not in place.rsplit("/", 1)[-1] or place == ".":
            for other, taints in self.taints.items():  # a directory is read
                if inside and other.startswith(inside):
                    found |= unsure(taints)
        for other, taints in self.taints.items():  # written under a name of which only the end is known
            if UNKNOWN in other and fnmatchcase(place, other.replace(UNKNOWN, "*")):
                found |= taints
        return found

    def write(self, path: str, taints: Taints, cwd: str = "", *, append: bool = False) -> None:
        """Content of these origins is written to a path."""
        place = self.place(path, cwd)
        if place in (UNKNOWN, "", ".", "/dev/null") or place.endswith(f"/{UNKNOWN}"):
            return
        self.parts.pop(place, None)
        if not append and not self.weak:
            self.aliases.pop(place, None)
        old = self.taints.get(place, NONE)
        new = old | taints if append or self.weak or UNKNOWN in place or "*" in place else taints
        if new == old:
            return
        if new and (old or len(self.taints) < MOST_FILES):
            self.taints[place] = new
        elif not new:
            self.taints.pop(place, None)
        self.version += 1

    def keep_parts(self, path: str, parts: dict[str, Taints], cwd: str = "") -> None:
        """What was written just now is a dictionary, its values of different origins."""
        place = self.place(path, cwd)
        if self.taints.get(place, NONE) == frozenset().union(*parts.values()) and len(self.parts) < MOST_FILES:
            self.parts[place] = parts

    def parts_of(self, path: str, cwd: str = "") -> dict[str, Taints]:
        """The parts of a file that holds one dictionary; {} for any other."""
        return self.parts.get(self.place(path, cwd), {})

    def remove(self, path: str, cwd: str = "") -> None:
        """A file or directory is removed."""
        place = self.place(path, cwd)
        if self.weak or UNKNOWN in place or "*" in place:
            return
        for other in [name for name in self.taints if name == place or name.startswith(f"{place}/")]:
            del self.taints[other]
            self.version += 1

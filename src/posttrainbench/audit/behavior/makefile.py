"""List the commands that `make` would run: the recipes of the goals and their prerequisites. Nothing is executed.

Covers: rules with several targets, pattern rules, prerequisites, variables of the file, of a target, of the environment
and of the command line, `-C`, `-f`, `$(shell ...)`, recipes after a `;`.

Does not cover: `include`, `define`, functions other than `shell`, timestamps (up-to-date targets are made again), and
conditionals (both branches are read).
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from posixpath import join, normpath

NAMES = ("GNUmakefile", "makefile", "Makefile")
MOST_LINES = 1000
"""Recipe lines of one call."""
MOST_REFERENCES = 20_000
"""References expanded in one call. Without a limit, variables that refer to each other would never end."""
_LONGEST = 20_000
_DEEPEST = 20
_ASSIGNMENT = re.compile(r"(?:export\s+|override\s+)?([\w.-]+)\s*(\?|\+|:{1,3}|!)?=\s*(.*)", re.DOTALL)
_REFERENCE = re.compile(r"\$(?:\((\w+)\)|\{(\w+)\}|([@<^*$])|\(shell\s)")
_WITH_VALUE = frozenset("-j -l -o -W -I --jobs --load-average --old-file --what-if --include-dir".split())
_DRY = frozenset("-n --just-print --dry-run --recon -q --question -t --touch -v --version -h --help".split())


def recipe(
    words: list[str], cwd: str, env: Mapping[str, str], read: Callable[[str, str], str]
) -> tuple[str, list[str]]:
    """Return (directory, recipe lines in order) of a call of `make`.

    Args:
        words: its arguments.
        cwd: its working directory.
        env: its environment variables.
        read: function of (path, directory) that returns a file's text, "" if there is none.
    """
    files: list[str] = []
    goals: list[str] = []
    assigned: dict[str, str] = {}
    rest = iter(words)
    for word in rest:
        name, _, value = word.partition("=")
        if word in _DRY:
            return cwd, []
        if name in ("-C", "--directory"):
            cwd = normpath(join(cwd, value or next(rest, ".")))
        elif name in ("-f", "--file", "--makefile"):
            files.append(value or next(rest, ""))
        elif word in _WITH_VALUE:
            next(rest, None)
        elif match := _ASSIGNMENT.fullmatch(word):
            assigned[match[1]] = match[3]
        elif not word.startswith("-"):
            goals.append(word)
    text = next((text for name in files or NAMES if (text := read(name, cwd))), "")
    makefile = Makefile({"MAKE": "make", **env, **assigned}, frozenset(assigned))
    makefile.parse(text)
    return cwd, makefile.commands(goals)


@dataclass
class Rule:
    """A rule.

    Attributes:
        needs: prerequisites.
        lines: recipe, unexpanded.
        variables: target-specific variables, which its prerequisites inherit.
    """

    needs: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)


@dataclass
class Makefile:
    """A makefile.

    Attributes:
        variables: name -> value, unexpanded.
        fixed: variables set on the command line, which the file does not override.
        rules: target, or pattern with `%` -> rule.
        references: references expanded so far.
    """

    variables: dict[str, str]
    fixed: frozenset[str] = frozenset()
    rules: dict[str, Rule] = field(default_factory=dict)
    references: int = 0

    def parse(self, text: str) -> None:
        """Read rules and variables from a makefile's text."""
        current: list[Rule] = []
        for line in re.sub(r"\\\r?\n[ \t]*", " ", text).splitlines():
            if line.startswith("\t"):
                for rule in current:
                    rule.lines.append(line.strip())
                continue
            bare = line.strip().split(" #")[0]
            if match := _ASSIGNMENT.fullmatch(bare):
                self._assign(self.variables, match)
            elif ":" in bare and not bare.startswith("#"):
                current = self._begin(bare)

    def commands(self, goals: list[str]) -> list[str]:
        """Return the recipe lines of the goals, prerequisites first; without goals, those of the first target."""
        first = next((name for name in self.rules if not name.startswith(".") and "%" not in name), "")
        found: list[str] = []
        made: set[str] = set()
        for goal in goals or [first]:
            self._make(goal, {}, found, made, 0)
        return found[:MOST_LINES]

    def _begin(self, line: str) -> list[Rule]:
        """Return the rules that a line such as `TARGET: PREREQUISITE ; RECIPE` begins."""
        names, _, rest = line.partition(":")
        rest = rest.removeprefix(":").strip()
        rules = [self.rules.setdefault(name, Rule()) for name in self._expanded(names.rstrip("&")).split()]
        if match := _ASSIGNMENT.fullmatch(rest):
            for rule in rules:
                self._assign(rule.variables, match)
            return rules
        needs, _, inline = rest.partition(";")
        for rule in rules:
            rule.needs += self._expanded(needs).split()
            rule.lines += [inline.strip()] if inline else []
        return rules

    def _assign(self, variables: dict[str, str], match: re.Match[str]) -> None:
        name, how, value = match[1], match[2] or "", match[3].rstrip()
        if name in self.fixed or (how == "?" and name in self.variables):
            return
        if how.startswith(":"):
            value = self._expanded(value)
        elif how == "!":
            value = f"$(shell {value})"
        elif how == "+":
            value = f"{variables.get(name, self.variables.get(name, ''))} {value}".strip()
        variables[name] = value[:_LONGEST]

    def _make(self, goal: str, outer: dict[str, str], found: list[str], made: set[str], depth: int) -> None:
        if goal in made or depth > _DEEPEST or len(found) >= MOST_LINES:
            return
        made.add(goal)
        rule, stem = self._rule(goal)
        if rule is None:
            return
        needs = [need.replace("%", stem) for need in rule.needs if need != "|"]
        own = {**outer, **rule.variables}
        for need in needs:
            self._make(need, own, found, made, depth + 1)
        own |= {"@": goal, "<": needs[0] if needs else "", "^": " ".join(needs), "*": stem, "$": "$"}
        found += [self._expanded(line.lstrip("@-+ "), own) for line in rule.lines]

    def _rule(self, goal: str) -> tuple[Rule | None, str]:
        """Return the rule for a goal, and the stem that its `%` matches."""
        if goal in self.rules:
            return self.rules[goal], ""
        for pattern, rule in self.rules.items():
            start, mark, end = pattern.partition("%")
            if mark and len(goal) >= len(start) + len(end) and goal.startswith(start) and goal.endswith(end):
                return rule, goal[len(start) : len(goal) - len(end)]
        return None, ""

    def _expanded(self, text: str, own: Mapping[str, str] | None = None, depth: int = 0) -> str:
        """Expand references in a text; unknown variables are left to the shell, `$(shell X)` becomes `$(X)`.

        Args:
            text: the text.
            own: variables of a target, including automatic ones such as `@`; None leaves automatic ones unexpanded.
            depth: nesting of references.
        """

        def value(match: re.Match[str]) -> str:
            self.references += 1
            name = match[1] or match[2]
            if name is None:
                return "$(" if match[3] is None else match[0] if own is None else own[match[3]]
            known = (own or {}).get(name, self.variables.get(name))
            if known is None or depth > _DEEPEST or self.references > MOST_REFERENCES:
                return f"${{{name}}}"
            return self._expanded(known, own, depth + 1)

        return _REFERENCE.sub(value, text[:_LONGEST])[:_LONGEST]

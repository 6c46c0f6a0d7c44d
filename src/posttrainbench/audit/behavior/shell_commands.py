"""Simple commands of shell text, and what a shell needs from its surroundings."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Protocol

from typing_extensions import override

from posttrainbench.audit.behavior.shell_words import Stream
from posttrainbench.audit.behavior.values import NONE, Taints

_REFERENCE = re.compile(r"\$[\w{(]|`")
"""A part of a word that is not known."""


class RunningShell(Protocol):
    """The shell that runs a command, as the command's program may use it."""

    def environment(self) -> dict[str, str]:
        """Return the variables that programs may see."""
        ...

    def evaluate(self, text: str, stdin: Stream) -> Stream:
        """Run a text in this shell and return its output."""
        ...


@dataclass
class SimpleCommand:
    """A simple command.

    Attributes:
        words: the command and its arguments, unquoted; unknown variables stay as `$NAME`.
        env: assignments before the command.
        reads: files redirected to its input.
        text: known text redirected to its input.
        writes: (file, appended) for redirections of its output.
        cwd: working directory; "" for that of the whole text.
        piped: True if its input is the output of the previous command.
        line: line of the text, 1-based.
        taints: origins of its words.
        shell: the shell that runs it.
    """

    words: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    reads: list[str] = field(default_factory=list)
    text: str | None = None
    writes: list[tuple[str, bool]] = field(default_factory=list)
    cwd: str = ""
    piped: bool = False
    line: int = 1
    taints: Taints = NONE
    shell: RunningShell | None = field(default=None, repr=False, compare=False)


class Host(Protocol):
    """The surroundings of a shell: the programs that it starts, and files."""

    def run(self, command: SimpleCommand, stdin: Stream) -> Stream:
        """Run a simple command and return its output."""
        ...

    def read_file(self, path: str, cwd: str) -> Stream:
        """Return the content of a file."""
        ...

    def write_file(self, path: str, content: Stream, cwd: str, *, append: bool) -> None:
        """Write the content of a file."""
        ...

    def matching(self, pattern: str, cwd: str) -> list[str]:
        """Return the known files that match a pattern."""
        ...

    def optional(self) -> AbstractContextManager[None]:
        """Return a context for commands that may not be executed."""
        ...

    def unread(self, reason: str, *, stopped: bool) -> None:
        """Record that a text was not read in part; `stopped`: because a limit was reached."""
        ...


class Listing(Host):
    """A host that records the commands.

    Attributes:
        commands: the commands, in order.
    """

    def __init__(self) -> None:
        self.commands: list[SimpleCommand] = []

    @override
    def run(self, command: SimpleCommand, stdin: Stream) -> Stream:
        self.commands.append(command)
        return Stream(text=printed(command.words, stdin))

    @override
    def read_file(self, path: str, cwd: str) -> Stream:
        return Stream()

    @override
    def write_file(self, path: str, content: Stream, cwd: str, *, append: bool) -> None:
        pass

    @override
    def matching(self, pattern: str, cwd: str) -> list[str]:
        return []

    @override
    def optional(self) -> AbstractContextManager[None]:
        return nullcontext()

    @override
    def unread(self, reason: str, *, stopped: bool) -> None:
        pass


def printed(words: list[str], stdin: Stream) -> str | None:
    """Return what `echo`, `printf` or a `cat` of the input prints; None for other commands."""
    if words[:1] == ["echo"]:
        options = next((n for n, word in enumerate(words[1:]) if not re.fullmatch("-[neE]+", word)), len(words) - 1)
        end = "" if any("n" in word for word in words[1 : options + 1]) else "\n"
        text = " ".join(words[options + 1 :]) + end
        return None if _REFERENCE.search(text) else text
    if words[:1] == ["printf"] and len(words) > 1:
        form = re.sub(r"\\(.)", lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), words[1])
        count = len(re.findall(r"%s", form))
        if _REFERENCE.search(" ".join(words[1:])) or "%" in form.replace("%s", ""):
            return None
        values = words[2:]
        rounds = max(1, -(-len(values) // count)) if count else 1
        parts = form.split("%s")
        texts = iter(values)
        return "".join("".join([*(part + next(texts, "") for part in parts[:-1]), parts[-1]]) for _ in range(rounds))
    if words == ["cat"] or words == ["cat", "-"]:
        return stdin.text
    return None

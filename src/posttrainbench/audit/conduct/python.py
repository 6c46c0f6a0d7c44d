"""Follows data through a Python script without running it: which values may come from test data or a hosted model.

An abstract interpreter over the syntax tree. Statements are read in order, both sides of an unknown condition, bodies
of loops twice; calls of functions in the script, or in scripts that it imports, are read with their arguments.
Choosing among rows by comparing them with test data is no flow: what a condition says does not taint what it guards.

Covers: what `calls` knows of libraries, closures, classes and their instances, command lines (`argparse`), files.

Does not cover: `eval`, `exec`, `getattr` by computed names, decorators that replace functions, generators that receive
values, threads. What is not understood passes on the origins of its arguments.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass, field
from typing import Protocol

from posttrainbench.audit.conduct.state import Files
from posttrainbench.audit.conduct.values import NONE, Scope, Taint, Taints, text_value

LONGEST_SCRIPT = 2**20


class NotReadError(Exception):
    """A script cannot be analysed; the message says why."""


class TooLongError(Exception):
    """The analysis has taken as many steps as it may."""


@dataclass(frozen=True)
class Sink:
    """A place where data is trained on.

    Attributes:
        how: such as `SFTTrainer(train_dataset=...)`.
    """

    script: str
    line: int
    how: str
    taints: Taints


@dataclass
class Read:
    """What an analysis of a script found.

    Attributes:
        sinks: where something was trained on, tainted or not.
        sources: what was taken from test data or hosted models, used or not.
        complete: False where the analysis ended early.
        output: origins of what it prints.
    """

    sinks: list[Sink] = field(default_factory=list)
    sources: set[Taint] = field(default_factory=set)
    complete: bool = True
    output: Taints = NONE


class Host(Protocol):
    """What surrounds a script: its files, its neighbours, its shell."""

    files: Files

    def module(self, name: str, cwd: str) -> tuple[str, str] | None:
        """(path, text) of a script that can be imported by this name."""
        ...

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """Run a command on the files; the origins of what it prints."""
        ...


@dataclass
class Run:
    """One analysis of one script.

    Attributes:
        argv: what follows the script's name on its command line; None where nobody knows.
        env: variables of its environment.
        stdin: origins of what it is fed with.
        literal_lines: lines on which test items are written out.
        literal: where these come from.
    """

    host: Host
    script: str
    cwd: str = ""
    argv: list[str] | None = None
    env: dict[str, str] = field(default_factory=dict)
    stdin: Taints = NONE
    literal_lines: frozenset[int] = frozenset()
    literal: Taint | None = None
    result: Read = field(default_factory=Read)
    visits: int = 0
    modules: dict[str, Scope] = field(default_factory=dict)


def parse(text: str) -> ast.Module:
    """The syntax tree of a script; lines that only a notebook understands are left out.

    Raises:
        NotReadError: it is too large, no Python 3, or nested too deeply.
    """
    if len(text) > LONGEST_SCRIPT:
        raise NotReadError("it is larger than 1 MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                return ast.parse(text)
            except SyntaxError:
                lines = text.split("\n")
                kept = [
                    line[: len(line) - len(bare)] + "pass" if (bare := line.lstrip()).startswith(("!", "%")) else line
                    for line in lines
                ]
                return ast.parse("\n".join(kept))
    except SyntaxError as error:
        raise NotReadError(f"it is no Python 3 (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotReadError(f"it cannot be parsed ({type(error).__name__})") from None


def analyse(tree: ast.Module, run: Run) -> Read:
    """Follow the data of a script; files are read from and written to `run.host.files`."""
    from posttrainbench.audit.conduct.interpreter import Interpreter

    reader = Interpreter(run, run.script)
    try:
        reader.block(tree.body, Scope({"__name__": text_value("__main__"), "__file__": text_value(run.script)}))
    except (TooLongError, RecursionError):
        run.result.complete = False
    return run.result

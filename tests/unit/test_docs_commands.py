"""Every `ptb` command in the documentation names an existing command, options and number of arguments."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from posttrainbench.cli.app import app

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "examples/README.md", *sorted(ROOT.glob("docs/**/*.md"))]
BLOCK = re.compile(r"^```[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"(?<!`)`(ptb [^`]+)`(?!`)")
SYNTAX = re.compile(r"[\[\]|…]|\.\.\.|<|>")
"""In lines that describe the syntax of a command instead of showing one."""
ROOT_COMMAND = typer.main.get_command(app)


def commands(page: Path) -> Iterator[str]:
    """Yield the commands of a page, each on one line."""
    text = page.read_text()
    indented = re.findall(r"^    (ptb .*)$", text, re.MULTILINE)
    lines = "\n".join(BLOCK.findall(text)).replace("\\\n", " ").splitlines()
    for line in [*lines, *indented, *INLINE.findall(" ".join(text.split()))]:
        line = line.strip().removeprefix("$ ").partition("  #")[0].partition(" # ")[0]
        if line.startswith("ptb ") and not SYNTAX.search(line.partition(" > ")[0]):
            yield line.partition(" > ")[0]


def problem(line: str) -> str:
    """Return what is wrong with a command; an empty string if nothing is."""
    words = shlex.split(line)[1:]
    command: Any = ROOT_COMMAND
    while words:
        options = {name for parameter in command.params for name in (*parameter.opts, *parameter.secondary_opts)}
        takes_value = {
            name for parameter in command.params if not getattr(parameter, "is_flag", True) for name in parameter.opts
        }
        word = words.pop(0)
        if word == "--":
            break
        if type(command).__name__ == "_Group" and word not in command.commands:  # these insert a default command
            command = command.commands["run" if "run" in command.commands else "check"]
            words.insert(0, word)
            continue
        if word.startswith("-") and word != "-":
            name = word.partition("=")[0]
            if name not in options | {"--help"}:
                return f"`{command.name}` has no option {name}"
            if name in takes_value and "=" not in word and words:
                words.pop(0)
        elif hasattr(command, "commands") and word in command.commands:
            command = command.commands[word]
        elif hasattr(command, "commands") and not command.invoke_without_command:
            return "" if word.isupper() else f"there is no command `{word}`"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_exist(page: Path) -> None:
    assert {line: said for line in commands(page) if (said := problem(line))} == {}


def test_wrong_commands_are_found() -> None:
    assert problem("ptb status demo --paths") == ""
    assert problem("ptb --catalog DIR COMMAND") == ""
    assert problem("ptb sandbox check podman --image agent") == ""
    assert problem("ptb status demo --path") == "`status` has no option --path"
    assert problem("ptb statuses demo") == "there is no command `statuses`"
    assert sum(1 for page in PAGES for _ in commands(page)) > 150

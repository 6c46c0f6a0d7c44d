"""Print the checks of `--dry-run`."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from posttrainbench.cli.options import print_json
from posttrainbench.errors import InputError, one_line

if TYPE_CHECKING:
    from posttrainbench.run.preflight import CheckResult

WIDTH = 80


class OptionProblems:
    """Options that cannot be read: an error, or with `--dry-run` problems beside those of the checks."""

    def __init__(self, dry_run: bool) -> None:
        self.dry_run = dry_run
        self.texts: dict[str, str] = {}

    @contextmanager
    def of(self, check: str) -> Iterator[None]:
        """Read options that a check is about."""
        try:
            yield
        except InputError as error:
            if not self.dry_run:
                raise
            self.texts.setdefault(check, one_line(error))

    def among(self, results: "Iterable[CheckResult]") -> "Iterator[CheckResult]":
        """Yield the results of all checks, with these problems in their places."""
        for result in results:
            text = self.texts.get(result.name)
            yield result if text is None else replace(result, state="problem", text=text)


def report(results: "Iterable[CheckResult]", json: bool) -> None:
    """Print each distinct result once, and exit with 2 if there is a problem, else with 0."""
    distinct = list(dict.fromkeys(results))
    ready = not any(result.state == "problem" for result in distinct)
    if json:
        checks = [{"name": result.name, "state": result.state, "text": result.text} for result in distinct]
        print_json({"ready": ready, "checks": checks})
    else:
        _print(distinct, ready)
    raise typer.Exit(0 if ready else 2)


def _print(results: "list[CheckResult]", ready: bool) -> None:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph, columns
    from posttrainbench.report.text import plain

    styles = {"ok": "green", "problem": "red", "not_checked": "yellow"}
    console = Console(width=WIDTH, highlight=False)
    states = [Text(result.state.replace("_", " "), style=styles[result.state]) for result in results]
    heads = columns([[result.name, state, ""] for result, state in zip(results, states, strict=True)])
    for head, result in zip(heads, results, strict=True):
        console.print(Paragraph(Text(plain(result.text, 2000)), head.cell_len, head), soft_wrap=True)
    problems = sum(result.state == "problem" for result in results)
    if ready:
        end = "Ready; nothing was started. Next: the same command without --dry-run."
    else:
        end = f"{problems} problem{'s' * (problems > 1)}; nothing was started."
    console.print(f"\n{end}")

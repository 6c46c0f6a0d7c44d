"""`ptb cleanup`."""

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import RUNS, complete_experiments, existing_place
from posttrainbench.errors import InputError

UNITS = {"h": 3600, "d": 86400}


def cleanup(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="EXPERIMENT",
            help="Only workspaces of this run or experiment, and no caches. Default: all in runs/, and caches.",
            callback=existing_place,
            autocompletion=complete_experiments,
            show_default=False,
        ),
    ] = RUNS,
    older_than: Annotated[
        str, typer.Option(metavar="AGE", help="Only what has not changed for this time, such as 12h or 30d.")
    ] = "7d",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Free it without asking.")] = False,
    json: Json = False,
) -> None:
    """Free disk space: workspaces of finished runs, and caches. Show first what would be freed.

    Results are never touched, nor what they depend on: submissions, recordings, findings and scores. Workspaces of
    unfinished, suspected and unaudited runs are kept. A run whose workspace was freed cannot be audited again.

    Example:  [bold]ptb cleanup --older-than 30d[/bold]
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.run.cleanup import free, freeable
    from posttrainbench.run.index import summaries

    age = _seconds(older_than)
    runs = summaries(path) if path != RUNS or path.exists() else []
    items = [item for item in freeable(runs, age) if item.run is not None or path == RUNS]
    total = sum(item.size for item in items)
    console = Console(highlight=False)
    for item in items if not json else ():
        console.print(f"{_size(item.size):>10}  {item.path}", markup=False, soft_wrap=True)
    summary = f"{_size(total)} in {len(items)} director{'y' if len(items) == 1 else 'ies'}"
    if items and not (yes or json) and sys.stdin.isatty():
        yes = typer.confirm(f"Free {summary}?", err=True)
    if yes:
        for item in items:
            free(item)
    if json:
        listed = [{"path": str(item.path), "bytes": item.size} for item in items]
        return print_json({"freed": yes, "bytes": total, "items": listed})
    if not items:
        return console.print(f"Nothing to free that is older than {older_than}.", markup=False)
    return console.print(f"Freed {summary}." if yes else f"{summary} can be freed; add --yes to free it.", markup=False)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d{1,5})([hd])", text.strip())
    if match is None:
        raise InputError(f"`{text}` is not a valid age; use a number of hours or days such as 12h or 30d.")
    return float(match[1]) * UNITS[match[2]]


def _size(size: int) -> str:
    return f"{size / 2**30:.1f} GiB" if size >= 2**30 else f"{size / 2**20:.1f} MiB"

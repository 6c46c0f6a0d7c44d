"""`ptb data`: pull, import, verify and list the data of benchmarks, and models."""

import sys
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Literal, Self

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InfrastructureError, InputError

if TYPE_CHECKING:
    from posttrainbench.hub.download import OfflineError, UnreachableError

LISTED = 4
"""Names that a sentence lists."""

Name = Annotated[str, typer.Argument(metavar="BENCHMARK|MODEL|SUITE", help="An id in the catalog.")]

app = typer.Typer(
    name="data",
    help="Pull, import, verify and list the data of benchmarks, and models.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command()
def pull(
    name: Name,
    weights: Annotated[bool, typer.Option("--weights", help="Also download the weights of models.")] = False,
) -> None:
    """Download missing data or models from the Hugging Face Hub at pinned commits, and verify them.

    A suite needs its benchmarks, and the tokenizers and chat templates of the instruct models. Everything works
    offline afterwards.

    Example:  [bold]ptb data pull v1 --weights[/bold]
    """
    from posttrainbench.benchmarks.pull import downloads, is_complete
    from posttrainbench.benchmarks.pull import pull as pull_one
    from posttrainbench.cli.console import Console
    from posttrainbench.hub.download import OfflineError, UnreachableError, silence_client_logs

    silence_client_logs()
    console = Console(highlight=False)
    problems: list[InputError | InfrastructureError] = []
    away: UnreachableError | OfflineError | None = None
    missing: list[str] = []
    for download in downloads(name, weights):
        if away is not None and not is_complete(download):
            missing.append(download.name)
            continue
        try:
            with _Transfer() as transfer:
                summary = pull_one(download, transfer.advance)
        except (UnreachableError, OfflineError) as error:
            away = error
            missing.append(download.name)
        except (InputError, InfrastructureError) as error:
            problems.append(error)  # a gated benchmark must not prevent the others
        else:
            console.print(f"{download.name}: {summary}", markup=False, soft_wrap=True)
    if away is not None:
        problems.append(_not_pulled(name, away, missing))
    problems.sort(key=lambda problem: isinstance(problem, InputError))
    for problem in problems[:-1]:
        print(f"ptb: {problem}", file=sys.stderr)
    if problems:
        raise problems[-1]


def _not_pulled(
    name: str, error: "UnreachableError | OfflineError", missing: list[str]
) -> InputError | InfrastructureError:
    """Return one error about everything that was not pulled because the Hub cannot be used."""
    from posttrainbench.hub.download import UnreachableError

    if len(missing) == 1:
        return error
    others = f" and {len(missing) - LISTED} more" if len(missing) > LISTED else ""
    listed = f"{', '.join(missing[:LISTED])}{others}"
    if isinstance(error, UnreachableError):
        reason = error.reason.rstrip(".")
        return InfrastructureError(
            "hub_failed",
            f"The Hub could not be reached ({reason}); check the network and run `ptb data pull {name}` again for "
            f"{listed}.",
        )
    return InputError(f"{listed} are not complete on this machine, and HF_HUB_OFFLINE is set; unset it and pull.")


class _Transfer:
    """A progress bar for each file on standard error, if that is a terminal."""

    def __init__(self) -> None:
        from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
        from rich.progress import TransferSpeedColumn as Speed

        from posttrainbench.cli.console import Console

        console = Console(stderr=True)
        columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), Speed(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self.tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def advance(self, file: str, arrived: int, size: int) -> None:
        """Show the progress of a download."""
        from rich.markup import escape

        if file not in self.tasks:
            self.tasks[file] = self.progress.add_task(escape(file), total=size)
        self.progress.advance(self.tasks[file], arrived)


@app.command("import")
def import_(
    benchmark: Annotated[str, typer.Argument(metavar="BENCHMARK")],
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="All published files of the split.")],
    split: Annotated[
        Literal["train", "test"], typer.Option(metavar="SPLIT", help="Split that the files contain: train or test.")
    ] = "test",
) -> None:
    """Import a benchmark's data from local copies of its published files (Parquet, JSON, JSON lines or CSV).

    Example:  [bold]ptb data import gsm8k test.jsonl[/bold]
    """
    from posttrainbench.benchmarks.importing import import_files
    from posttrainbench.cli.console import Console

    provenance = import_files(benchmark, files, split)
    console = Console(highlight=False)
    console.print(f"{benchmark}: {provenance.splits[split].items} {split} items", markup=False)


@app.command()
def verify(
    name: Annotated[
        str | None,
        typer.Argument(metavar="BENCHMARK|MODEL|SUITE", show_default=False, help="Default: everything."),
    ] = None,
    json: Json = False,
) -> None:
    """Check the hashes of everything that was pulled.

    Exit codes: 0 complete, 1 something is damaged or missing, 2 invalid input.

    Example:  [bold]ptb data verify v1[/bold]
    """
    from posttrainbench.benchmarks.verify import verify as check

    found = check(name)
    if not found:
        reason = "nothing has been pulled yet; run `ptb data pull v1`" if name is None else f"{name} is not on the Hub"
        raise InputError(f"Nothing to verify: {reason}.")
    if json:
        print_json([asdict(one) for one in found])
    else:
        _print([[one.name, one.part, one.state, str(one.count), one.detail or one.source] for one in found])
    if any(one.state != "whole" for one in found):
        raise typer.Exit(1)


@app.command("list")
def list_(json: Json = False) -> None:
    """List the benchmark data and models on this machine, without checking them.

    Example:  [bold]ptb data list[/bold]
    """
    from posttrainbench.benchmarks.verify import inventory

    found = inventory()
    if json:
        return print_json([asdict(one) for one in found])
    return _print([[one.name, one.part, one.state, str(one.count or ""), one.source] for one in found])


def _print(rows: list[list[str]]) -> None:
    """Print a table; commits are abbreviated to twelve digits."""
    import re

    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import columns

    console = Console(highlight=False)
    header = [Text(name, style="bold") for name in ("name", "part", "state", "count", "source")]
    short = [[Text(re.sub(r"@([0-9a-f]{12})[0-9a-f]{28}\b", r"@\1", cell)) for cell in row] for row in rows]
    for line in columns([header, *short], right=(3,)):
        console.print(line, soft_wrap=True)

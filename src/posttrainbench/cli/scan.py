"""`ptb scan`: search files for a benchmark's test items."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError
from posttrainbench.files import require_existing

if TYPE_CHECKING:
    from posttrainbench.audit.contamination.scan import ScanReport, Whitelist
    from posttrainbench.benchmarks import Item

MAX_LISTED = 20
QUOTED = 160  # characters
PROGRESS_SECONDS = 10.0  # between progress lines without a terminal


def scan(
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH...", help="Files, or directories that are searched recursively.")
    ],
    benchmark: Annotated[str | None, typer.Option(help="Search for the test items of this benchmark.")] = None,
    benchmark_file: Annotated[
        Path | None,
        typer.Option(help="Search for the test items in this JSONL file; most published schemas are supported."),
    ] = None,
    allow: Annotated[
        list[Path] | None,
        typer.Option(
            help="Permitted documents, such as a train split; text that they contain is not evidence. Repeatable."
        ),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Directory with tokenizer.json, to decode token ids and search them too.")
    ] = None,
    cache: Annotated[
        Path | None, typer.Option(help="Directory for results, so that an interrupted scan can be resumed.")
    ] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Number of threads. Default: one for each core.")] = None,
    json: Json = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print only a SARIF 2.1.0 log on standard output.")] = False,
) -> None:
    """Search files of any kind for a benchmark's test items: training sets, scripts, caches, archives.

    Exit codes: 0 clean, 1 flagged, 2 something could not be searched.

    Example:  [bold]ptb scan train.jsonl --benchmark micro-math[/bold]
    """
    from posttrainbench import __version__
    from posttrainbench.audit.contamination.scan import EXIT_CODES
    from posttrainbench.audit.contamination.scan import sarif as as_sarif

    if json and sarif:
        raise InputError("Give --json or --sarif, not both.")
    items, whitelist = _items(benchmark, benchmark_file, allow or [])
    report = _scan(paths, items, whitelist, tokenizer, cache, workers)
    if json:
        print_json(report.model_dump(mode="json", exclude={"chance": True, "hits": {"__all__": {"line"}}}))
    elif sarif:
        print_json(as_sarif(report, __version__))
    else:
        _show(report)
    raise typer.Exit(EXIT_CODES[report.verdict])


def _items(benchmark: str | None, file: Path | None, allow: list[Path]) -> "tuple[list[Item], Whitelist]":
    from posttrainbench.audit.contamination.scan import Whitelist, read_items
    from posttrainbench.benchmarks.registry import load_benchmark

    if (benchmark is None) == (file is None):
        raise InputError("Give either --benchmark or --benchmark-file; `ptb catalog benchmarks` lists the benchmarks.")
    if file is not None:
        return read_items(file), Whitelist(files=allow)
    loaded = load_benchmark(str(benchmark))
    return loaded.load("test"), Whitelist(items=loaded.load("train"), files=allow)


def _scan(
    paths: list[Path],
    items: "list[Item]",
    whitelist: "Whitelist",
    tokenizer: Path | None,
    cache: Path | None,
    workers: int | None,
) -> "ScanReport":
    from posttrainbench.audit.contamination.scan import scan as scan_files
    from posttrainbench.audit.contamination.scan.jit import compiled_before
    from posttrainbench.cli.console import Console

    for path in paths:
        require_existing(path, "a file or a directory")
    if tokenizer is not None:
        require_existing(tokenizer, "the base model's directory")
    console = Console(stderr=True)
    began = reported = time.monotonic()
    first = "" if compiled_before() else "compiling the search, once after the installation (20 seconds); "
    if first and not console.is_terminal:
        console.print(first.rstrip("; "), highlight=False)
    with console.status(f"{first}indexing the test items") as spinner:

        def progress(size: int, flagged: int) -> None:
            nonlocal reported
            seconds = time.monotonic() - began
            line = f"{size / 1e6:,.0f} MB searched in {seconds:.0f} s, {flagged:,} documents flagged"
            spinner.update(line)
            if not console.is_terminal and time.monotonic() - reported >= PROGRESS_SECONDS:
                reported = time.monotonic()
                console.print(line, highlight=False)

        return scan_files(
            paths,
            items,
            whitelist=whitelist,
            tokenizer=tokenizer,
            cache=cache,
            workers=workers,
            progress=progress,
        )


def _show(report: "ScanReport") -> None:
    from rich.text import Text

    from posttrainbench.cli.console import Console
    from posttrainbench.report.layout import Paragraph
    from posttrainbench.report.text import plain

    console = Console(highlight=False)

    def say(text: str) -> None:
        console.print(Paragraph(Text(text), 0), soft_wrap=True)

    for hit in report.hits[:MAX_LISTED]:
        place, what = f"{plain(hit.file)}:{hit.line}", f"{plain(hit.item)}  {hit.unit}, {hit.method} {hit.score:.2f}"
        console.print(Paragraph(Text.assemble((place, "bold"), f"  {what}"), 0), soft_wrap=True)
        console.print(Paragraph(Text(plain(hit.text, QUOTED)), 9, Text("  match: ")), soft_wrap=True)
        console.print(Paragraph(Text(plain(hit.item_text, QUOTED), "dim"), 9, Text("  item:  ", "dim")), soft_wrap=True)
    if len(report.hits) > MAX_LISTED:
        console.print(f"... and {len(report.hits) - MAX_LISTED:,} more; --json lists all.")
    for skip in [skip for skip in report.skipped if skip.lost][:MAX_LISTED]:
        text = f"not searched: {plain(skip.path)}: {plain(skip.reason)}"
        console.print(Paragraph(Text(text, style="yellow"), 0), soft_wrap=True)
    if report.unsearchable:
        say(
            f"{len(report.unsearchable)} of {report.test_items} test items cannot be searched for: too short, too like "
            "permitted text, or in rows without a question."
        )
    if report.basis:
        say(f"The verdict rests on {report.basis}.")
    if not report.documents:
        say("Nothing was searched: no file with readable content was found. Give a file or directory that has some.")
    items = f"{report.test_items_hit:,} test item{'' if report.test_items_hit == 1 else 's'}"
    documents = f"{report.documents:,} document{'' if report.documents == 1 else 's'}"
    speed = report.bytes / 1e6 / max(report.seconds, 1e-3)
    say(
        f"{report.verdict.replace('_', ' ')}: {items} in {report.flagged_documents:,} of {documents} "
        f"(up to {report.chance} are tolerated or expected by chance); "
        f"{report.bytes / 1e6:,.1f} MB in {report.seconds:.1f} s ({speed:.{0 if speed >= 10 else 1}f} MB/s)."
    )

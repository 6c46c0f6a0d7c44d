"""`ptb scan`: do test items of a benchmark stand in these files?"""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.errors import InputError

if TYPE_CHECKING:
    from posttrainbench.audit.scan import ScanReport, Whitelist
    from posttrainbench.benchmarks import Item

SHOWN = 20
QUOTED = 160
EVERY = 10.0  # seconds between lines of progress where there is no terminal


def scan(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH...", help="Files, or directories with all below them.")],
    benchmark: Annotated[str | None, typer.Option(help="Benchmark whose test items to look for.")] = None,
    benchmark_file: Annotated[
        Path | None, typer.Option(help="Test items as rows of a JSONL file instead; most published schemas are read.")
    ] = None,
    allow: Annotated[
        list[Path] | None,
        typer.Option(help="Legal documents, such as a train split: what they hold is no evidence. Repeatable."),
    ] = None,
    tokenizer: Annotated[
        Path | None, typer.Option(help="Directory with tokenizer.json: token ids are decoded and searched too.")
    ] = None,
    cache: Annotated[Path | None, typer.Option(help="Directory that keeps results, so that a scan can go on.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Threads; one for each core if left out.")] = None,
    json: Json = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="Print a SARIF 2.1.0 log alone on standard output.")] = False,
) -> None:
    """Search files of any kind for test items of a benchmark: training sets, scripts, caches, archives.

    Ends with 0 when they are clean, 1 when flagged, 2 when something could not be searched.

    Example:  [bold]ptb scan train.jsonl --benchmark gsm8k[/bold]
    """
    from posttrainbench import __version__
    from posttrainbench.audit.scan import EXIT_CODES
    from posttrainbench.audit.scan import sarif as as_sarif

    if json and sarif:
        raise InputError("Give --json or --sarif, not both.")
    items, whitelist = _items(benchmark, benchmark_file, allow or [])
    report = _scan(paths, items, whitelist, tokenizer, cache, workers)
    if json:
        print_json(
            report.model_dump(
                mode="json", exclude={"chance": True, "unsearchable": True, "hits": {"__all__": {"line"}}}
            )
        )
    elif sarif:
        print_json(as_sarif(report, __version__))
    else:
        _show(report)
    raise typer.Exit(EXIT_CODES[report.verdict])


def _items(benchmark: str | None, file: Path | None, allow: list[Path]) -> "tuple[list[Item], Whitelist]":
    from posttrainbench.audit.scan import Whitelist, read_items
    from posttrainbench.benchmarks import load_benchmark

    if (benchmark is None) == (file is None):
        raise InputError("Give either --benchmark or --benchmark-file; `ptb catalog benchmarks` lists what there is.")
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
    from rich.console import Console

    from posttrainbench.audit.scan import scan as scan_files

    console = Console(stderr=True)
    began = said = time.monotonic()
    with console.status("indexing the test items") as spinner:

        def progress(size: int, flagged: int) -> None:
            nonlocal said
            seconds = time.monotonic() - began
            line = f"{size / 1e6:,.0f} MB searched in {seconds:.0f} s, {flagged:,} documents flagged"
            spinner.update(line)
            if not console.is_terminal and time.monotonic() - said >= EVERY:
                said = time.monotonic()
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
    from rich.console import Console
    from rich.text import Text

    from posttrainbench.report.text import plain

    console = Console(highlight=False)
    for hit in report.hits[:SHOWN]:
        how = f"{hit.unit}, {hit.method} {hit.score:.2f}"
        console.print(Text.assemble((f"{plain(hit.file)}:{hit.line}", "bold"), f"  {plain(hit.item)}  {how}"))
        console.print(Text.assemble("  found: ", plain(hit.text, QUOTED)))
        console.print(Text.assemble("  item:  ", plain(hit.item_text, QUOTED)), style="dim")
    if len(report.hits) > SHOWN:
        console.print(f"... and {len(report.hits) - SHOWN:,} more; --json lists all.")
    for skip in [skip for skip in report.skipped if skip.lost][:SHOWN]:
        console.print(Text(f"not searched: {plain(skip.path)}: {plain(skip.reason)}", style="yellow"))
    if report.unsearchable:
        console.print(f"{len(report.unsearchable)} test items are too short, or too common, to be searched for.")
    speed = report.bytes / 1e6 / max(report.seconds, 1e-3)
    console.print(
        f"{report.verdict.replace('_', ' ')}: {report.test_items_hit:,} test items in {report.flagged_documents:,} of "
        f"{report.documents:,} documents (up to {report.chance} are tolerated or chance); "
        f"{report.bytes / 1e6:,.1f} MB in {report.seconds:.1f} s ({speed:.0f} MB/s).",
        markup=False,
    )

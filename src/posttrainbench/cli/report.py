"""`ptb report`: the site about experiments."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.options import Json, print_json
from posttrainbench.cli.places import complete_experiments, distinct_places
from posttrainbench.errors import InputError

VIEWER_URL = "http://127.0.0.1:8000/inspect/index.html"

Experiments = Annotated[
    list[Path],
    typer.Argument(
        metavar="EXPERIMENT...",
        help="Directories of experiments, or their names if they are in runs/.",
        callback=distinct_places,
        autocompletion=complete_experiments,
    ),
]


def report(
    experiments: Experiments,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Directory of the site. Default: report/ beside the first experiment.",
            show_default=False,
        ),
    ] = None,
    inspect_viewer: Annotated[
        bool, typer.Option("--inspect-viewer", help="Add Inspect's log viewer with all evaluation logs (about 11 MB).")
    ] = False,
    json: Json = False,
) -> None:
    """Write a site about experiments: leaderboard, charts, comparisons, and a page for each run.

    The pages need neither a server nor the internet: open index.html in a browser. Only Inspect's log viewer needs a
    web server. An earlier site in the same directory is replaced.

    Example:  [bold]ptb report runs/demo --out site[/bold]
    """
    from posttrainbench.cli.console import Console
    from posttrainbench.report.site.build import build_site
    from posttrainbench.report.text import plain

    site = build_site(
        experiments, out if out is not None else default_place(experiments[0]), inspect_viewer=inspect_viewer
    )
    if json:
        print_json(
            {"path": str(site.path.resolve()), "runs": site.runs, "damaged": site.damaged, "index": site.index_bytes}
        )
        return
    console = Console(highlight=False)
    serve = f"python -m http.server --bind 127.0.0.1 --directory {shlex.quote(str(site.path))}"
    lines = [
        f"{site.path}: {site.runs} run{'' if site.runs == 1 else 's'}, index.html {site.index_bytes / 1e3:,.0f} kB",
        f"Open: {(site.path / 'index.html').resolve()}",
        *([f"Inspect's viewer needs a web server: {serve}, then open {VIEWER_URL}"] if inspect_viewer else []),
        f"Next: ptb view {shlex.join(map(str, experiments))}",
    ]
    if site.damaged:
        lines.insert(1, f"{site.damaged} could not be read and do not count; the page lists them with the reason.")
    for line in lines:
        console.print(plain(line, 4000), markup=False, soft_wrap=True)


def default_place(experiment: Path) -> Path:
    """Return the directory of a site if the user names none: `report` beside the first experiment.

    Raises:
        InputError: that is inside of the experiment or the experiment itself.
    """
    path = experiment.resolve()
    place = path.parent / "report"
    if place == path:
        raise InputError(f"{experiment} has the name of the site's directory; choose another one with --out.")
    return Path(experiment.parent, "report") if experiment.name not in ("", "..") else place

"""`ptb view`: the site of running experiments, served on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from posttrainbench.cli.places import RUNS, complete_experiments, distinct_places
from posttrainbench.errors import InputError


def view(
    experiments: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="EXPERIMENT...",
            help="Directories of experiments, or their names if they are in runs/. Default: all of runs/.",
            show_default=False,
            autocompletion=complete_experiments,
        ),
    ] = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port on 127.0.0.1. Default: any.", show_default=False)
    ] = 0,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser, if this machine has a display.")] = True,
) -> None:
    """Serve the site of `ptb report` for experiments that may still run; open pages follow the changes.

    Only this machine can reach it, and only with the printed URL, which contains a secret. Ctrl-C ends it.

    Example:  [bold]ptb view runs/demo[/bold]
    """
    import shutil
    import tempfile

    from posttrainbench.report.site import live

    paths = distinct_places(experiments or ())
    if not paths:
        if not RUNS.is_dir():
            raise InputError("There is no directory runs/ here; name the directory of an experiment.")
        paths = [RUNS]
    out = Path(tempfile.mkdtemp(prefix="ptb-view-"))
    try:
        with live.listen(port) as listener:
            site, token = live.LiveSite(paths, out), live.new_token()
            url = f"http://127.0.0.1:{listener.getsockname()[1]}/{token}/index.html"
            print(f"{url}\nCtrl-C ends it.", flush=True)
            if browser:
                _open(url)
            live.serve(site, listener, token)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def _open(url: str) -> None:
    """Open a URL in a browser with windows, if there is one. Browsers for terminals would occupy this one."""
    import os
    import sys
    import webbrowser

    if sys.platform == "darwin" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"):
        webbrowser.open(url)

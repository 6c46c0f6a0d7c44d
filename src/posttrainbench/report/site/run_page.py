"""The page of one run."""

from __future__ import annotations

from pathlib import Path

from posttrainbench.report.site.shell import write_page
from posttrainbench.report.text import plain
from posttrainbench.run import Run


def write_run_page(run: Run, directory: Path, depth: int) -> None:
    """Write `index.html` and what it needs to a directory.

    Args:
        run: the run.
        directory: created if it does not exist.
        depth: number of directories between `directory` and the top of the site.
    """
    write_page(
        directory / "index.html",
        "run.html.jinja",
        title=f"{plain(run.spec.agent.name)} on {plain(run.spec.benchmark)}",
        depth=depth,
        spec=run.spec,
        result=run.result(),
    )

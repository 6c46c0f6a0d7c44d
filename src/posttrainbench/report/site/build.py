"""Builds the site: all pages in a new directory, which then replaces the old one.

A site is whole or absent: a build that fails or is interrupted leaves the earlier site as it was. A directory with
other files than a site is never replaced.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from posttrainbench.errors import InputError
from posttrainbench.files import require_writable, write_json
from posttrainbench.report.site.charts_page import write_charts
from posttrainbench.report.site.compare_page import write_comparisons
from posttrainbench.report.site.compare_runs_page import (
    peer_name,
    run_comparison_link,
    runs_alike,
    write_run_comparison,
)
from posttrainbench.report.site.groups import Group, group_runs
from posttrainbench.report.site.inspect_viewer import write_inspect_viewer
from posttrainbench.report.site.pages import write_leaderboard, write_runs
from posttrainbench.report.site.run_page import Peer, write_run_page
from posttrainbench.report.site.runs import Experiments, SiteRun, read_experiments
from posttrainbench.report.site.shell import write_file

MARKER = "site.json"
"""File at the top of a site, by which it is recognized."""


@dataclass(frozen=True)
class Site:
    """A written site.

    Attributes:
        path: its directory.
        runs: number of runs with a page.
        damaged: number of runs that could not be read.
        index_bytes: size of `index.html`.
    """

    path: Path
    runs: int
    damaged: int
    index_bytes: int


def build_site(experiments: Sequence[Path], out: Path, charts: bool = True, inspect_viewer: bool = False) -> Site:
    """Write the site about experiments to a directory, in place of an earlier site.

    Args:
        experiments: their directories.
        out: the site's directory.
        charts: whether to draw the charts, which takes seconds.
        inspect_viewer: whether to add Inspect's own log viewer.

    Raises:
        InputError: an experiment does not exist or has no run, or `out` has other content than a site or
            cannot be written.
    """
    require_replaceable(out)
    require_writable(out.absolute().parent, "--out")
    content = read_experiments(experiments)
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f".{out.name}.new-{os.getpid()}")
    shutil.rmtree(new, ignore_errors=True)
    try:
        new.mkdir()
        viewed = write_inspect_viewer(content.runs, new) if inspect_viewer else {}
        index = write_all(content, group_runs(content.runs), new, charts, viewed)
        _replace(out, new)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return Site(out, len(content.runs), len(content.damaged), index)


def require_replaceable(out: Path) -> None:
    """Check that `out` is absent, empty or a site.

    Raises:
        InputError: it is something else.
    """
    if out.is_dir() and not out.is_symlink():
        if (out / MARKER).is_file() or not any(out.iterdir()):
            return
        raise InputError(f"{out} contains other files; choose another directory with --out.")
    if out.exists() or out.is_symlink():
        raise InputError(f"{out} is not a directory; choose another one with --out.")


def write_all(
    content: Experiments,
    groups: Sequence[Group],
    out: Path,
    charts: bool = True,
    viewed: Mapping[str, Collection[str]] | None = None,
) -> int:
    """Write all pages to an existing directory; return the size of `index.html`.

    Args:
        viewed: place of a run -> names of its logs in Inspect's viewer.
    """
    write_assets(out)
    write_json(out / MARKER, {"experiments": content.names, "runs": len(content.runs)})
    alike = runs_alike(content.runs)
    for run in content.runs:
        write_page_of(run, out, alike[run.place], (viewed or {}).get(run.place, ()))
    write_runs(content, groups, out)
    size, tables = write_leaderboard(content, groups, out)
    write_charts(tables, out, charts)
    write_comparisons(tables, out)
    write_run_comparison(content.runs, out)
    return size


def write_page_of(run: SiteRun, out: Path, alike: Sequence[SiteRun], viewed: Collection[str] = ()) -> None:
    """Write the page of a run.

    Args:
        run: the run.
        out: top of the site.
        alike: runs that it is offered to be compared with.
        viewed: names of its logs in Inspect's viewer.
    """
    directory = out / run.place
    directory.mkdir(parents=True, exist_ok=True)
    peers = [Peer(peer_name(run, other), run_comparison_link(run, other)) for other in alike]
    write_run_page(run.run, directory, run.place.count("/") + 1, place=run.place, viewed=viewed, peers=peers)


def write_assets(out: Path) -> None:
    """Write the style sheet and the scripts."""
    for asset in sorted(
        resources.files("posttrainbench.report.site").joinpath("assets").iterdir(), key=lambda a: a.name
    ):
        write_file(out / "assets" / asset.name, asset.read_bytes())


def _replace(out: Path, new: Path) -> None:
    """Put a new directory in the place of an old one."""
    old = out.with_name(f".{out.name}.old-{os.getpid()}")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    new.rename(out)
    shutil.rmtree(old, ignore_errors=True)

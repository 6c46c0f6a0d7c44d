"""The leaderboard as one HTML file without scripts or external resources.

Much of its content was written by agents. Three measures keep it harmless: every text goes through `plain`, the
template escapes everything, and the page's Content-Security-Policy allows only its own styles.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from posttrainbench.files import write_text
from posttrainbench.report.leaderboard_view import page
from posttrainbench.report.tables import percents, ranks
from posttrainbench.report.text import percent, plain
from posttrainbench.scoring import Cell, Leaderboard
from posttrainbench.scoring.leaderboard import uncounted_note


def render_site(board: Leaderboard, cells: Sequence[Cell], *, title: str = "PostTrainBench") -> str:
    """Return the page as HTML.

    Args:
        board: the leaderboard.
        cells: its runs, including unfinished ones; their results contain the reasons and the evidence.
        title: heading of the page.
    """
    environment = Environment(
        loader=PackageLoader("posttrainbench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(percent=percent, percents=percents, plain=plain, ranks=ranks, uncounted=uncounted_note)
    template = environment.get_template("leaderboard.html.jinja")
    return template.render(page=page(board, cells), title=title)


def write_site(board: Leaderboard, cells: Sequence[Cell], path: Path, *, title: str = "PostTrainBench") -> None:
    """Write the page to `path` atomically. Arguments as for `render_site`."""
    write_text(path, render_site(board, cells, title=title))

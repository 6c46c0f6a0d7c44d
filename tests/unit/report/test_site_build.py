"""Building the site: which files it has, and what it replaces."""

from pathlib import Path
from typing import Any

import pytest
import scoring_runs

from posttrainbench.errors import InputError
from posttrainbench.report.site.build import build_site


@pytest.fixture
def experiment(tmp_path: Path, make_cell: Any) -> Path:
    for agent in ("first", "second"):
        scoring_runs.write_run(make_cell(agent), tmp_path / "exp")
    return tmp_path / "exp"


def test_every_run_has_a_page(experiment: Path, tmp_path: Path) -> None:
    site = build_site([experiment], tmp_path / "site", charts=False)
    assert (site.runs, site.damaged) == (2, 0)
    assert (tmp_path / "site" / "index.html").stat().st_size == site.index_bytes
    assert sorted(path.parent.name for path in tmp_path.glob("site/runs/exp/*/index.html")) == [
        "first-m-b-0",
        "second-m-b-0",
    ]
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_an_earlier_site_is_replaced_whole(experiment: Path, tmp_path: Path) -> None:
    build_site([experiment], tmp_path / "site", charts=False)
    (tmp_path / "site" / "stale.html").write_text("")
    build_site([experiment], tmp_path / "site", charts=False)
    assert not (tmp_path / "site" / "stale.html").exists()


def test_other_files_are_never_replaced(experiment: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="contains other files"):
        build_site([experiment], tmp_path / "mine", charts=False)
    assert (tmp_path / "mine" / "thesis.txt").exists()
    with pytest.raises(InputError, match="is not a directory"):
        build_site([experiment], tmp_path / "mine" / "thesis.txt", charts=False)


def test_a_damaged_run_is_listed(experiment: Path, tmp_path: Path) -> None:
    (experiment / "first-m-b-0" / "result.json").write_text("{")
    site = build_site([experiment], tmp_path / "site", charts=False)
    assert (site.runs, site.damaged) == (1, 1)

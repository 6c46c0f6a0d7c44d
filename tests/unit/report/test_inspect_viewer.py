"""`ptb report --inspect-viewer`: Inspect's own viewer in the site, and the links to it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from site_runs import write_experiment

pytest.importorskip("inspect_ai")

from posttrainbench.errors import InputError
from posttrainbench.report.site.build import build_site

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


def write_log(path: Path) -> None:
    """Write a log of Inspect as an evaluation leaves it."""
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSpec, write_eval_log

    spec = EvalSpec(
        created="2026-01-01T00:00:00+00:00", task="micro-math", dataset=EvalDataset(), model="m", config=EvalConfig()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_eval_log(EvalLog(eval=spec, status="success", samples=[]), str(path), format="eval")


def test_the_viewer_has_the_readable_logs_of_all_runs(make_cell: Any, tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "exp", [make_cell(name) for name in ("one", "two", "three")])
    write_log(root / "one-m-b-0" / "evaluate" / "logs" / "b-seed0.eval")
    (root / "one-m-b-0" / "evaluate" / "logs" / "broken.eval").write_bytes(b"PK")
    (root / "two-m-b-0" / "evaluate" / "logs").mkdir()
    write_log(tmp_path / "private.eval")
    (root / "two-m-b-0" / "evaluate" / "logs" / "link.eval").symlink_to(tmp_path / "private.eval")
    site = build_site([root], tmp_path / "site", charts=False, inspect_viewer=True).path
    names = [path.relative_to(site / "inspect").as_posix() for path in (site / "inspect").rglob("*.eval")]
    assert [name.rpartition("logs/")[2] for name in names] == ["runs/exp/one-m-b-0/b-seed0.eval"]
    assert (site / "inspect" / "index.html").is_file()
    listing = next((site / "inspect").rglob("listing.json"))
    assert len(json.loads(listing.read_bytes())) == 1
    assert "../../../inspect/index.html" in (site / "runs" / "exp" / "one-m-b-0" / "index.html").read_text()
    assert "inspect/index.html" not in (site / "runs" / "exp" / "two-m-b-0" / "index.html").read_text()
    assert "python -m http.server" in (site / "runs" / "exp" / "one-m-b-0" / "index.html").read_text()


def test_a_site_has_no_viewer_unless_asked_for(make_cell: Any, tmp_path: Path) -> None:
    root = write_experiment(tmp_path / "exp", [make_cell("one")])
    with pytest.raises(InputError, match="No run has an evaluation log"):
        build_site([root], tmp_path / "site", charts=False, inspect_viewer=True)
    assert not (tmp_path / "site").exists()
    write_log(root / "one-m-b-0" / "evaluate" / "logs" / "b-seed0.eval")
    site = build_site([root], tmp_path / "site", charts=False).path
    assert not (site / "inspect").exists()
    shutil.rmtree(site)


@pytest.mark.parametrize("viewer", [True, False])
def test_the_command_says_how_to_serve_the_viewer(
    viewer: bool, tmp_path: Path, ptb_here: Ptb, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "my site"
    site = SimpleNamespace(path=place, runs=1, damaged=0, index_bytes=1)
    monkeypatch.setattr("posttrainbench.report.site.build.build_site", lambda *_, **__: site)
    (tmp_path / "exp").mkdir()
    said = ptb_here("report", tmp_path / "exp", *(["--inspect-viewer"] if viewer else []))
    assert said.returncode == 0
    assert (f"python -m http.server --bind 127.0.0.1 --directory '{place}', then open http://" in said.stdout) == viewer

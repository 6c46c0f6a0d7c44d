"""`ptb report --inspect-viewer`: Inspect's own viewer in the site, and the links to it."""

import json
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from site_runs import write_experiment

pytest.importorskip("inspect_ai")

from posttrainbench.errors import InputError
from posttrainbench.report.site.build import build_site

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


def write_log(path: Path, items: Sequence[str] = ()) -> None:
    """Write a log of Inspect as an evaluation leaves it."""
    from inspect_ai.log import EvalConfig, EvalDataset, EvalLog, EvalSample, EvalSpec, write_eval_log
    from inspect_ai.model import ModelOutput

    spec = EvalSpec(
        created="2026-01-01T00:00:00+00:00", task="micro-math", dataset=EvalDataset(), model="m", config=EvalConfig()
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = [
        EvalSample(
            id=item,
            epoch=1,
            input=f"question {item}",
            target="x",
            output=ModelOutput.from_content("m", f"answer {item}"),
        )
        for item in items
    ]
    write_eval_log(EvalLog(eval=spec, status="success", samples=samples), str(path), format="eval")


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


class Quiet(SimpleHTTPRequestHandler):
    """Serves files without a line for each request."""

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.mark.browser
def test_an_answer_leads_to_its_item_in_the_viewer(make_cell: Any, tmp_path: Path) -> None:
    browser = pytest.importorskip("browser")
    if browser.CHROMIUM is None:
        pytest.skip("Chromium is not installed")
    from playwright.sync_api import expect

    root = write_experiment(tmp_path / "exp", [make_cell("one")])
    logs = root / "one-m-b-0" / "evaluate" / "logs"
    write_log(logs / "b-seed0.eval", [f"b/{number}" for number in range(9)])
    write_log(logs / "b 100%#-seed1.eval")  # Inspect fails on this name
    (logs / "unknown-seed1.eval").write_bytes(b"PK")
    site = build_site([root], tmp_path / "site", charts=False, inspect_viewer=True).path
    plain = build_site([root], tmp_path / "plain", charts=False).path
    assert "#/logs/" not in (plain / "runs/exp/one-m-b-0/items/0.js").read_text()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        with browser.chromium() as chromium:
            page = chromium.new_page()
            page.set_default_timeout(browser.PATIENCE)
            page.goto(f"http://127.0.0.1:{server.server_port}/runs/exp/one-m-b-0/index.html")
            page.select_option("#item-filter", "all")
            page.click("button.item-name >> nth=7")
            page.click("a.in-viewer")
            expect(page.locator("body")).to_contain_text("question b/7")
            page.close()
            with browser.opened(chromium, site / "runs/exp/one-m-b-0/index.html") as page:  # it needs a server
                page.select_option("#item-filter", "all")
                page.click("button.item-name >> nth=7")
                expect(page.locator(".item-texts")).to_be_visible()
                assert page.locator("a.in-viewer").count() == 0
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


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

"""The served site: who may read it, what it serves, and how it follows the runs."""

from pathlib import Path
from typing import Any

import pytest
import scoring_runs
from site_runs import write_experiment

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from starlette.testclient import TestClient

from posttrainbench.errors import InputError
from posttrainbench.report.site import live


@pytest.fixture
def site(make_cell: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> live.LiveSite:
    monkeypatch.setattr("posttrainbench.report.site.charts_page.has_charts", lambda: False)
    write_experiment(tmp_path / "exp", [make_cell("first"), make_cell("waits", status=None, raw=None)])
    (tmp_path / "site").mkdir()
    (tmp_path / "secret.txt").write_text("secret")
    return live.LiveSite([tmp_path / "exp"], tmp_path / "site")


def test_only_with_token_and_own_name(site: live.LiveSite) -> None:
    client = TestClient(live.application(site, "token", 60), base_url="http://127.0.0.1:80")
    page = client.get("/token/index.html")
    assert page.status_code == 200
    assert '<script src="/token/assets/live.js" defer></script></head>' in page.text
    assert page.headers["cache-control"] == "no-store"
    assert client.get("/token/assets/live.js").status_code == 200
    assert client.get("/token/runs/exp/first-m-b-0").status_code == 200
    for path in ("/", "/index.html", "/wrong/index.html", "/wrong/events", "/token/absent.html"):
        assert client.get(path).status_code == 404
    for path in ("/token/../secret.txt", "/token/%2e%2e/secret.txt", "/token//etc/passwd", "/token/..%2fsecret.txt"):
        assert client.get(path).status_code == 404
    assert client.get("/token/index.html", headers={"host": "evil.example"}).status_code == 404
    assert client.post("/token/index.html").status_code == 405


def test_changes_are_followed(site: live.LiveSite, make_cell: Any, tmp_path: Path) -> None:
    assert not site.refresh()
    with (tmp_path / "exp" / "waits-m-b-0" / "journal.jsonl").open("a") as journal:
        journal.write('{"time": "2026-01-01T00:00:00+00:00", "stage": "prepare", "event": "start"}\n')
    assert site.refresh()
    assert site.changed == ["runs/exp/waits-m-b-0"]
    scoring_runs.write_run(make_cell("new"), tmp_path / "exp")
    assert site.refresh()
    assert site.changed == ["board", "runs/exp/new-m-b-0"]
    assert site.version == 2
    assert "new" in (tmp_path / "site" / "index.html").read_text()
    (tmp_path / "exp" / "new-m-b-0" / "result.json").write_text("{")
    assert site.refresh()
    assert "cannot be read" in (tmp_path / "site" / "index.html").read_text()


def test_a_port_in_use_is_an_input_error() -> None:
    with live.listen(0) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(InputError, match=f"Port {port} cannot be used"):
            live.listen(port)

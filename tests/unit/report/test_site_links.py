"""Links in a run directory that somebody received: neither the site, nor a bundle, nor `ptb view` follows them."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import scoring_runs
from bundle_runs import build_run
from site_runs import write_experiment

from posttrainbench.errors import InputError
from posttrainbench.report.bundle.export import export
from posttrainbench.report.site.build import build_site
from posttrainbench.report.site.live import open_page
from posttrainbench.report.site.run_page import write_run_page
from posttrainbench.run import Run
from posttrainbench.untrusted import UnreadableError, names_below, open_below, read_below, walk
from run_pages import write_full_run

SECRET = "q9z7-of-somebody-else"
FILES = (
    "journal.jsonl",
    "result.json",
    "solve/trajectory.json",
    "solve/prompt.md",
    "solve/monitor.jsonl",
    "solve/evaluations.jsonl",
    "solve/egress.jsonl",
    "solve/outcome.json",
    "solve/usage.json",
    "solve/integrity.json",
    "solve/downloads.json",
    "submission/manifest.json",
    "audit/findings.jsonl",
    "audit/coverage.json",
    "audit/verdict.json",
    "audit/adjudications.jsonl",
    "evaluate/metrics.json",
    "evaluate/base.json",
    "evaluate/engine.log",
    "evaluate/logs/micro-math-seed0.eval",
    "imported.json",
    "changes.jsonl",
    "workspace/train.py",
    "workspace/long.jsonl",
)
FOLDERS = ("solve", "submission", "audit", "evaluate", "evaluate/logs", "workspace")


@pytest.fixture(autouse=True)
def no_hanging() -> Iterator[None]:
    """End a test that waits for the writer of a pipe."""
    signal.alarm(120)
    yield
    signal.alarm(0)


def leaks(site: Path) -> list[str]:
    """Return the files of a site that contain the secret, also in their names."""
    return [
        str(path.relative_to(site))
        for path in site.rglob("*")
        if path.is_symlink() or SECRET in path.name or (path.is_file() and SECRET.encode() in path.read_bytes())
    ]


def divert(run: Path, name: str, elsewhere: Path) -> None:
    """Move a file or directory of a run away, and put a link in its place."""
    place, target = run / name, elsewhere / name
    target.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        place.rename(target)
    else:
        target.write_text(f'{{"note": "{SECRET}"}}\n')
    place.symlink_to(target, target_is_directory=target.is_dir())


@pytest.mark.parametrize("name", FILES + FOLDERS)
def test_no_page_of_a_run_shows_what_a_link_leads_to(tmp_path: Path, name: str) -> None:
    run = write_full_run(tmp_path / "run", "words")
    secret = write_full_run(tmp_path / "private", SECRET)
    place = run / name
    if (secret / name).exists():
        shutil.rmtree(place) if place.is_dir() else place.unlink(missing_ok=True)
        (tmp_path / "away" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.move(secret / name, tmp_path / "away" / name)
        place.symlink_to(tmp_path / "away" / name)
    else:
        divert(run, name, tmp_path / "away")
    write_run_page(Run(run), tmp_path / "site", 3)
    assert (tmp_path / "site" / "index.html").is_file()
    assert leaks(tmp_path / "site") == []


def test_the_same_run_without_links_shows_everything(tmp_path: Path) -> None:
    write_run_page(Run(write_full_run(tmp_path / "run", SECRET)), tmp_path / "site", 3)
    shown = {name.partition("/")[0] for name in leaks(tmp_path / "site")}
    assert shown >= {"index.html", "trajectory.json", "trace", "items", "files"}


def test_the_output_of_an_agent_at_work_is_not_read_through_a_link(tmp_path: Path) -> None:
    run = write_full_run(tmp_path / "run", SECRET)
    (run / "solve" / "trajectory.json").unlink()
    write_run_page(Run(run), tmp_path / "plain", 3)
    assert "trajectory.json" in leaks(tmp_path / "plain")  # made from the output
    divert(run, "solve/output.jsonl", tmp_path / "away")
    shutil.rmtree(run / "workspace")
    write_run_page(Run(run), tmp_path / "site", 3)
    assert not (tmp_path / "site" / "trajectory.json").exists()
    assert "symbolic link" in (tmp_path / "site" / "index.html").read_text()


@pytest.mark.parametrize("name", FILES)
def test_a_pipe_in_place_of_a_file_does_not_stop_the_site(tmp_path: Path, name: str) -> None:
    run = write_full_run(tmp_path / "run", "words")
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    write_run_page(Run(run), tmp_path / "site", 3)
    assert (tmp_path / "site" / "index.html").is_file()


def test_a_linked_run_is_listed_and_not_shown(tmp_path: Path, make_cell: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.report.site.charts_page.has_charts", lambda: False)
    write_experiment(tmp_path / "exp", [make_cell("first")])
    private = scoring_runs.write_run(make_cell(SECRET), tmp_path / "private")
    (tmp_path / "exp" / "link").symlink_to(private)
    (tmp_path / "exp" / "folder").symlink_to(private.parent)
    site = build_site([tmp_path / "exp"], tmp_path / "site")
    assert (site.runs, site.damaged) == (1, 2)
    assert leaks(site.path) == []
    text = (site.path / "index.html").read_text()
    assert "links in experiments are not followed" in text
    assert site.path.joinpath("runs", "exp").is_dir()


@pytest.mark.parametrize("name", ["result.json", "solve/usage.json", "evaluate/metrics.json", "evaluate", "run.json"])
def test_no_number_of_the_leaderboard_comes_through_a_link(tmp_path: Path, make_cell: Any, name: str) -> None:
    write_experiment(tmp_path / "exp", [make_cell("first"), make_cell("second")])
    run = sorted((tmp_path / "exp").iterdir())[0]
    divert(run, name, tmp_path / "away")
    try:
        site = build_site([tmp_path / "exp"], tmp_path / "site", charts=False)
    except InputError as error:
        assert name == "run.json" and "symbolic link" in str(error)  # noqa: PT017, PT018
        return
    assert (site.runs, site.damaged) == (1, 1)
    assert "symbolic link" in (site.path / "index.html").read_text()


@pytest.mark.parametrize("name", ["workspace/train.py", "workspace", "solve", "evaluate/logs"])
def test_a_bundle_contains_nothing_behind_a_link(tmp_path: Path, name: str) -> None:
    run = build_run(tmp_path / "runs" / "one").root
    (run / "workspace" / "train.py").write_text(SECRET)
    (run / "solve" / "note.txt").write_text(SECRET)
    (run / "evaluate" / "logs" / "note.txt").write_text(SECRET)
    divert(run, name, tmp_path / "away")
    try:
        written = export(run, tmp_path / "b.tar.zst", ())
    except InputError:  # a record that the bundle needs is missing
        assert not (tmp_path / "b.tar.zst").exists()
        return
    assert f"one/{name}" in written.manifest.withheld
    assert "symbolic link" in written.manifest.withheld[f"one/{name}"].reason
    assert not any(path.startswith(f"one/{name}") for path in written.manifest.files)


def test_a_bundle_of_an_experiment_leaves_out_linked_runs(tmp_path: Path) -> None:
    build_run(tmp_path / "exp" / "one")
    other = build_run(tmp_path / "private" / "two", seed=1).root
    (tmp_path / "exp" / "two").symlink_to(other)
    written = export(tmp_path / "exp", tmp_path / "b.tar.zst", ())
    assert [name for name in written.manifest.files if name.startswith("two")] == []
    board = json.loads(unpacked(written.path, tmp_path / "out")["leaderboard.json"])
    assert [cell["run"] for row in board["rows"] for cell in row["cells"]] == ["id-0"]


def unpacked(bundle: Path, folder: Path) -> dict[str, bytes]:
    folder.mkdir()
    subprocess.run(["tar", "--zstd", "-xf", bundle, "-C", folder], check=True)
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "path", ["../secret.txt", "link.txt", "folder/secret.txt", "/etc/passwd", "a\0b", "x" * 5000, "absent", ".", ""]
)
def test_the_served_site_opens_only_its_own_files(tmp_path: Path, path: str) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (tmp_path / "secret.txt").write_text(SECRET)
    (site / "link.txt").symlink_to(tmp_path / "secret.txt")
    (site / "folder").symlink_to(tmp_path)
    assert open_page(site, path) is None
    (site / "index.html").write_text("page")
    found = open_page(site, "index.html")
    assert found is not None
    with found.content as file:
        assert file.read() == b"page"


def test_a_directory_that_is_replaced_by_a_link_is_neither_opened_nor_listed(tmp_path: Path) -> None:
    root, private = tmp_path / "root", tmp_path / "private"
    for folder in (root / "a" / "b", private / "b"):
        folder.mkdir(parents=True)
        (folder / "file").write_text(folder.parent.name)
    assert read_below(root, root / "a" / "b" / "file") == b"a"
    entries = walk(root)
    (root / "z").write_text("")
    assert next(entries).relative == "z"  # the directory `a` has been found, and is listed next
    shutil.rmtree(root / "a")
    (root / "a").symlink_to(private)
    assert [(entry.relative, entry.lost) for entry in entries] == [("a", True)]
    with pytest.raises(UnreadableError, match="a is a symbolic link"):
        open_below(root, root / "a" / "b" / "file")
    assert names_below(root, root / "a") == []
    for outside in (private / "b" / "file", root / "a" / ".." / "z", root):
        with pytest.raises(UnreadableError):
            open_below(root, outside)

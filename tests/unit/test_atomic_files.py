"""A writer that dies leaves the old content; a torn line costs only itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posttrainbench import files
from posttrainbench.records import Skipped

JSON_OBJECTS = st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=20) | st.none(), max_size=3)


@pytest.mark.parametrize("point", ["os.fsync", "pathlib.Path.replace"])
def test_writer_killed_before_the_rename_leaves_the_old_content(point: str, tmp_path: Path) -> None:
    path = tmp_path / "value.json"
    files.write_json(path, {"old": True})
    module, _, name = point.rpartition(".")
    die = f"import os, pathlib, signal\n{module}.{name} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
    write = f"from posttrainbench import files\nfiles.write_json(pathlib.Path({str(path)!r}), {{'new': 'x' * 100_000}})"
    assert subprocess.run([sys.executable, "-c", die + write], check=False).returncode == -9
    assert path.read_text() == '{\n  "old": true\n}\n'
    files.write_json(path, {"new": True})
    assert path.read_text() == '{\n  "new": true\n}\n'


def test_failed_write_leaves_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "value"
    files.write_bytes(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_written_content_is_forced_to_disk_before_and_after_the_rename(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(Path(f"/proc/self/fd/{fd}").readlink()))
    files.write_bytes(tmp_path / "value", b"new")
    assert [one.parent == tmp_path for one in synced] == [True, False]
    assert synced[1] == tmp_path


def test_records_are_written_as_they_are_read(tmp_path: Path) -> None:
    record = Skipped(path="ü\udcff".encode("utf-8", "replace").decode(), reason="\x1b")
    files.write_json(tmp_path / "record", record)
    assert Skipped.model_validate_json((tmp_path / "record").read_text()) == record


@given(before=st.lists(JSON_OBJECTS, max_size=3), after=st.lists(JSON_OBJECTS, min_size=1, max_size=3), data=st.data())
def test_torn_line_is_healed_and_passed_over(
    before: list[dict], after: list[dict], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("journal") / "journal.jsonl"
    for entry in before:
        files.append_json(path, entry)
    with path.open("ab") as file:
        file.write(data.draw(st.sampled_from([b'{"torn": "lin', b"{", b"\xff\xfe", b'"text"', b"[1]", b"1", b"null"])))
    for entry in after:
        files.append_json(path, entry)
    assert list(files.read_jsonl(path)) == [*before, *after]


def test_every_appended_line_is_forced_to_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    for _ in range(3):
        files.append_json(tmp_path / "journal", {})
    assert len(synced) == 3


def test_absent_journal_is_empty(tmp_path: Path) -> None:
    assert list(files.read_jsonl(tmp_path / "absent")) == []


def test_attempts_are_numbered_from_one_and_never_reused(tmp_path: Path) -> None:
    partial = tmp_path / "solve.partial"
    assert files.next_attempt(partial) == tmp_path / "solve.attempt-1"
    (tmp_path / "solve.attempt-1").mkdir()
    (tmp_path / "solve.attempt-2").write_text("")
    assert files.next_attempt(partial) == tmp_path / "solve.attempt-3"
    assert files.next_attempt(tmp_path / "result.json") == tmp_path / "result.json.attempt-1"


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.sha256_file(tmp_path / "file") == files.sha256_bytes(b"abc") == expected


def test_tree_with_pipes_and_broken_links_can_be_made_durable(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("absent")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").write_text("x")
    files.fsync_tree(tmp_path)


def test_a_line_of_nested_brackets_is_skipped(tmp_path: Path) -> None:
    (tmp_path / "lines.jsonl").write_text("[" * 100_000 + "]" * 100_000 + '\n{"a": 1}\n')
    assert list(files.read_jsonl(tmp_path / "lines.jsonl")) == [{"a": 1}]

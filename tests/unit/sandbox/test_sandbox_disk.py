"""Disk use of a process tree, including hidden files."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from posttrainbench.sandbox.disk import DEPTH, FILE_BYTES, DiskWatch, deleted_but_open, disk_usage

MIB = 2**20


def fill(path: Path, size: int = MIB) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(os.urandom(size))
    return path


def test_files_below_are_counted(tmp_path: Path) -> None:
    before = disk_usage([tmp_path])
    fill(tmp_path / "a" / "b")
    fill(tmp_path / "c")
    assert 2 * MIB <= disk_usage([tmp_path]) - before < 3 * MIB


def test_holes_and_hard_links_are_not_counted(tmp_path: Path) -> None:
    (tmp_path / "second").hardlink_to(fill(tmp_path / "first"))
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(2**40)
    assert disk_usage([tmp_path]) < 2 * MIB


def test_empty_files_count(tmp_path: Path) -> None:
    before = disk_usage([tmp_path])
    for number in range(1000):
        (tmp_path / str(number)).touch()
    assert disk_usage([tmp_path]) - before >= 1000 * FILE_BYTES
    assert DiskWatch([tmp_path], 999 * FILE_BYTES).exceeds_limit(list)
    assert not DiskWatch([tmp_path], 2000 * FILE_BYTES).exceeds_limit(list)


def test_symlinks_are_not_followed(tmp_path: Path) -> None:
    fill(tmp_path / "outside" / "file")
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    assert disk_usage([tmp_path / "inside"]) < MIB


def test_directory_without_rights_is_counted(tmp_path: Path) -> None:
    folder = fill(tmp_path / "hidden" / "file").parent
    folder.chmod(0)
    assert disk_usage([tmp_path]) >= MIB
    folder.chmod(0o700)


def test_too_deep_exceeds_the_limit(tmp_path: Path) -> None:
    at = os.open(tmp_path, os.O_RDONLY)
    for _ in range(DEPTH + 5):
        os.mkdir("d", dir_fd=at)
        below = os.open("d", os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)
    assert disk_usage([tmp_path]) > 2**60


def test_single_file_is_counted(tmp_path: Path) -> None:
    assert disk_usage([fill(tmp_path / "file")]) >= MIB


def test_deleted_but_open_files_are_counted(tmp_path: Path) -> None:
    path = fill(tmp_path / "file")
    before = deleted_but_open([os.getpid()], [tmp_path])
    with path.open("rb"):
        path.unlink()
        assert deleted_but_open([os.getpid()], [tmp_path]) - before >= MIB
    assert deleted_but_open([os.getpid()], [tmp_path]) == before
    assert deleted_but_open([2**22 + 1], [tmp_path]) == 0


def test_watch_counts_nested_paths_once(tmp_path: Path) -> None:
    fill(tmp_path / "tmp" / "file")
    watch = DiskWatch([tmp_path, tmp_path / "tmp"], 10 * MIB)
    assert not watch.exceeds_limit(lambda: [])
    assert MIB <= watch.used < 2 * MIB


def test_watch_counts_only_after_free_space_has_fallen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free: Iterator[tuple[int, int]] = iter([(100 * MIB, 9000), (99 * MIB, 9000), (80 * MIB, 9000)])
    monkeypatch.setattr("posttrainbench.sandbox.disk._free", lambda path: next(free))
    watch = DiskWatch([tmp_path], 10 * MIB)
    assert not watch.exceeds_limit(lambda: [])
    fill(tmp_path / "file", 20 * MIB)
    assert not watch.exceeds_limit(lambda: [])  # a mebibyte less is no reason to count
    assert watch.exceeds_limit(lambda: [])
    assert watch.used >= 20 * MIB

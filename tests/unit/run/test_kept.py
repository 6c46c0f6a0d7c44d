"""Tests of the copy of the last whole `final_model` that the agent evaluated."""

import contextlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.run import kept
from posttrainbench.run.kept import Keeper
from support import eventually

BASE = catalog.find(catalog.models(), "micro-base", "model").directory
WEIGHTS = "model.safetensors"


@pytest.fixture
def final(tmp_path: Path) -> Path:
    return Path(shutil.copytree(BASE, tmp_path / "workspace" / "final_model"))


@pytest.fixture
def keeper(tmp_path: Path, final: Path) -> Keeper:
    (tmp_path / "out").mkdir()
    return Keeper(final.parent, tmp_path / "out" / "kept", BASE, [final.parent / "evaluations.jsonl"])


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_survives_a_write_in_place_and_a_torn_model_does_not_replace_it(keeper: Keeper, final: Path) -> None:
    before = content(final)
    assert keeper.keep()
    assert keeper.keep()  # nothing new
    with (final / WEIGHTS).open("r+b") as file:
        file.write(b"torn")
    assert not keeper.keep()
    assert content(keeper.destination) == before
    shutil.rmtree(final)
    with pytest.raises(FileNotFoundError):
        keeper.keep()
    assert content(keeper.destination) == before


def test_a_newer_whole_one_replaces_it(keeper: Keeper, final: Path) -> None:
    assert keeper.keep()
    weights = bytearray((final / WEIGHTS).read_bytes())
    weights[-1] ^= 1
    (final / WEIGHTS).write_bytes(weights)
    assert keeper.keep()
    assert content(keeper.destination) == content(final)
    assert [path.name for path in keeper.destination.parent.iterdir()] == ["kept"]


def linked(final: Path, secret: Path) -> None:
    (final / WEIGHTS).unlink()
    (final / WEIGHTS).symlink_to(secret / WEIGHTS)


def link_itself(final: Path, secret: Path) -> None:
    shutil.rmtree(final)
    final.symlink_to(secret)


def pipe(final: Path, secret: Path) -> None:
    (final / WEIGHTS).unlink()
    os.mkfifo(final / WEIGHTS)


def large(final: Path, secret: Path) -> None:
    with (final / "filler").open("wb") as file:
        file.truncate(2**40)


def many(final: Path, secret: Path) -> None:
    for number in range(kept.MAX_FILES):
        (final / str(number)).touch()


@pytest.mark.parametrize("make", [linked, link_itself, pipe, large, many])
def test_what_the_agent_does_not_own_and_what_is_too_large_is_not_copied(
    make: Callable[[Path, Path], None], keeper: Keeper, final: Path, tmp_path: Path
) -> None:
    secret = Path(shutil.copytree(BASE, tmp_path / "secret"))
    make(final, secret)
    try:
        assert not keeper.keep()
    except OSError:
        assert make is link_itself
    assert list(keeper.destination.parent.iterdir()) == []


def test_a_model_that_changes_while_it_is_copied_is_not_kept(
    keeper: Keeper, final: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Keeper._copy

    def disturbed(self: Keeper, folder: int, name: str, identity: kept.Identity, target: Path) -> None:
        copy(self, folder, name, identity, target)
        (final / "config.json").write_text((BASE / "config.json").read_text() + " ")

    monkeypatch.setattr(Keeper, "_copy", disturbed)
    with contextlib.suppress(OSError):
        assert not keeper.keep()
    assert list(keeper.destination.parent.iterdir()) == []


def test_each_evaluation_makes_a_copy(keeper: Keeper, final: Path) -> None:
    with keeper.in_background():
        assert not keeper.destination.exists()
        with keeper.logs[0].open("a") as file:
            file.write("{}\n")
        eventually(keeper.destination.is_dir)
    assert content(keeper.destination) == content(final)


def test_a_model_that_becomes_whole_a_moment_later_is_kept(keeper: Keeper, final: Path) -> None:
    (final / "config.json").rename(final / "config")
    with keeper.in_background():
        keeper.logs[0].write_text("{}\n")
        eventually(lambda: keeper.tried)
        assert not keeper.destination.exists()
        (final / "config").rename(final / "config.json")
        eventually(keeper.destination.is_dir)

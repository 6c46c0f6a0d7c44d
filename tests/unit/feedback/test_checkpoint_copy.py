"""Copying a checkpoint that a hostile agent has at hand: nothing outside of the workspace is read, nothing blocks."""

import os
import socket
import threading
from pathlib import Path

import pytest

from posttrainbench.feedback.checkpoint_copy import CheckpointRefusedError, copy_checkpoint

LIMIT = 2**20
SECRET = "of the host"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A host with a secret, a workspace with a good checkpoint, and an empty destination."""
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "config.json").write_text(SECRET)
    good = tmp_path / "workspace" / "runs" / "good"
    good.mkdir(parents=True)
    (good / "config.json").write_text("{}")
    (good / "model.safetensors").write_bytes(b"w" * 5000)
    (tmp_path / "copied").mkdir()
    return tmp_path


def copy(place: Path, path: str, limit: int = LIMIT) -> dict[str, bytes]:
    copy_checkpoint(place / "workspace", "/workspace", path, place / "copied", limit)
    return {each.name: each.read_bytes() for each in (place / "copied").iterdir()}


def test_files_that_an_evaluation_reads_are_copied(place: Path) -> None:
    good = place / "workspace" / "runs" / "good"
    (good / "optimizer.pt").write_bytes(b"o")
    (good / "model-00001-of-00002.safetensors").write_bytes(b"s")
    os.mkfifo(good / "pipe.bin")
    (good / "checkpoint-1").mkdir()
    assert copy(place, "/workspace/runs/good") == {
        "config.json": b"{}",
        "model.safetensors": b"w" * 5000,
        "model-00001-of-00002.safetensors": b"s",
    }


def test_the_workspace_itself_can_be_a_checkpoint(place: Path) -> None:
    (place / "workspace" / "config.json").write_text("[]")
    assert copy(place, "/workspace") == {"config.json": b"[]"}


def _link_file(good: Path) -> None:
    (good / "tokenizer.json").symlink_to(good.parents[2] / "host" / "config.json")


def _link_directory(good: Path) -> None:
    good.rename(good.with_name("other"))
    good.symlink_to(good.parents[2] / "host")


def _link_parent(good: Path) -> None:
    folder = good.parent
    folder.rename(folder.with_name("other"))
    (folder.parents[1] / "host" / "good").mkdir()
    folder.symlink_to(folder.parents[1] / "host")


def _pipe(good: Path) -> None:
    os.mkfifo(good / "tokenizer.json")


def _socket(good: Path) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        here = Path.cwd()
        os.chdir(good)  # a socket's path must be short
        try:
            one.bind("tokenizer.json")
        finally:
            os.chdir(here)


def _directory(good: Path) -> None:
    (good / "tokenizer.json").mkdir()


def _endless(good: Path) -> None:
    with (good / "tokenizer.json").open("wb") as file:
        file.truncate(2**40)


def _many(good: Path) -> None:
    for number in range(1001):
        (good / f"model-{number:05}-of-01001.safetensors").touch()


def _nothing(good: Path) -> None:
    for each in good.iterdir():
        each.unlink()


ATTACKS = {
    "a link to a file of the host": (_link_file, "is a symbolic link"),
    "a link to a directory of the host": (_link_directory, "a part of it is a symbolic link"),
    "a link on the way": (_link_parent, "a part of it is a symbolic link"),
    "a named pipe": (_pipe, "is not a regular file"),
    "a socket": (_socket, "cannot be read"),
    "a directory in place of a file": (_directory, "is not a regular file"),
    "a sparse file of a terabyte": (_endless, "much larger than the base model"),
    "very many files": (_many, "more than 1000 files"),
    "no checkpoint": (_nothing, "does not contain a checkpoint"),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_attack_is_refused(name: str, place: Path) -> None:
    attack, message = ATTACKS[name]
    attack(place / "workspace" / "runs" / "good")
    with pytest.raises(CheckpointRefusedError, match=message):
        copy(place, "/workspace/runs/good")
    assert SECRET.encode() not in [each.read_bytes() for each in (place / "copied").iterdir()]


@pytest.mark.parametrize(
    "path",
    ["/host", "/workspace/../host", "/workspace-2", "runs/good", "/", "/workspace/runs/\0", "/workspace/runs/\ud800"],
)
def test_path_out_of_the_workspace_is_refused(path: str, place: Path) -> None:
    with pytest.raises(CheckpointRefusedError):
        copy(place, path)


def test_file_that_is_swapped_for_a_link_meanwhile_gives_no_secret(place: Path) -> None:
    """The agent swaps a file and a link without pause; whatever is caught, it is not the host's."""
    good = place / "workspace" / "runs" / "good"
    link, file = good.parent / "link", good.parent / "file"
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            file.write_text("mine")
            file.replace(good / "config.json")
            link.symlink_to(place / "host" / "config.json")
            link.replace(good / "config.json")

    thread = threading.Thread(target=swap, daemon=True)
    thread.start()
    seen = set()
    try:
        for number in range(300):
            copied = place / f"copied-{number}"
            copied.mkdir()
            try:
                copy_checkpoint(place / "workspace", "/workspace", "/workspace/runs/good", copied, LIMIT)
            except CheckpointRefusedError:
                continue
            seen.add((copied / "config.json").read_text())
    finally:
        done.set()
        thread.join()
    assert SECRET not in seen


def test_copying_by_hand_where_the_kernel_does_not(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "copy_file_range", refuse)
    assert copy(place, "/workspace/runs/good")["model.safetensors"] == b"w" * 5000
